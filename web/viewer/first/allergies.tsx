/// Allergies in words, each with its certainty and with whoever denies it; or why there are none.
import type { AllergiesFragment } from "../../types/viewer";
import { usePages } from "../client";
import page from "../documents/allergies.graphql?page";
import { Marks } from "../marks";
import { recorded, Said } from "../said";
import { Section } from "../section";
import { joined, sentence } from "../words";

type Allergy = AllergiesFragment["allergies"]["entries"]["nodes"][number];

export function Allergies({ record }: { record: Partial<AllergiesFragment> }) {
  const [section, pages] = usePages<AllergiesFragment, "allergies">(page, "allergies", record.allergies);
  const entries = [...(section?.entries.nodes ?? [])].sort((a, b) => rank(a) - rank(b));
  return (
    <Section title="Allergies" id="allergies" section={section} pages={pages}>
      <ul class="facts">
        {entries.map((entry) => (
          <li
            key={entry.id}
            class={entry.enteredInError ? "withdrawn" : isDenied(entry) ? "denial" : undefined}
          >
            <p>
              <strong>{named(entry)}</strong> <Marks entry={entry} />
              {entry.criticality === "high" && !isDenied(entry) && <span class="tag red">High risk</span>}
              {entry.clinicalStatus && entry.clinicalStatus !== "active" && (
                <span class="tag grey">{sentence(entry.clinicalStatus)}</span>
              )}
              <span class="quiet">{joined([reaction(entry), certainty(entry), written(entry)])}</span>{" "}
              <Said entry={entry} label={named(entry)} />
            </p>
            <Disputed entry={entry} />
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** What is so and dangerous first; what is over, denied or withdrawn last. Nothing is left out. */
function rank({ enteredInError, polarity, clinicalStatus, verificationStatus, criticality }: Allergy): number {
  if (enteredInError) return 5;
  if (polarity === "ABSENT" || verificationStatus === "refuted") return 4;
  if (clinicalStatus && clinicalStatus !== "active") return 3;
  return criticality === "high" ? 1 : 2;
}

const isDenied = ({ polarity, verificationStatus }: Allergy): boolean =>
  polarity === "ABSENT" || verificationStatus === "refuted";

/** A date of writing, not of a reaction. */
const written = (entry: Allergy): string => `${entry.facts.length > 1 ? "last recorded" : "recorded"} ${recorded(entry)}`;

function named({ code, polarity, verificationStatus }: Allergy): string {
  const display = code?.display ?? "Substance not named";
  if (polarity !== "ABSENT" && verificationStatus === "refuted") return `Ruled out: ${display}`;
  return polarity === "ABSENT" ? `Says there is none: “${display}”` : display;
}

function reaction({ reactions, polarity }: Allergy): string | null {
  if (polarity === "ABSENT") return null;
  const said = reactions.map(({ manifestations, severity, description }) =>
    joined([joined(manifestations.map(({ display }) => display)), description, severity]),
  );
  return joined(said, "; ") || "Reaction not stated";
}

/** Every certainty that one of its sources states: the surest is not preferred. */
function certainty({ facts, polarity }: Allergy): string | null {
  if (polarity === "ABSENT") return null;
  const stated = facts.map(({ verificationStatus }) => verificationStatus).filter((one) => one !== null);
  return [...new Set(stated)].join(" or ") || "certainty not stated";
}

/** What others say against it, and who; what the entry's own sources say stands above. */
function Disputed({ entry }: { entry: Allergy }) {
  if (entry.conflicts.length === 0) return null;
  return (
    <p class="disputed">
      <strong>Sources disagree.</strong> {entry.conflicts.map((conflict) => against(entry, conflict)).join(" ")}
    </p>
  );
}

function against(entry: Allergy, { field, claims }: Allergy["conflicts"][number]): string {
  const own = new Set(entry.facts.map(({ id }) => id));
  const mine = claims.find(({ factId }) => own.has(factId))?.value ?? "not stated";
  const others = claims.filter(({ factId, value }) => !own.has(factId) && value !== mine);
  const values = [...new Set(others.map(({ value }) => value ?? "not stated"))];
  const sides = values.map((value) => {
    const sources = others.filter((claim) => (claim.value ?? "not stated") === value).map(({ source }) => source.name);
    const who = [...new Set(sources)].join(", ");
    if (field !== "polarity") return `${value} in ${who}`;
    return value === "ABSENT" ? `None known, say: ${who}` : `There are allergies, say: ${who}`;
  });
  return field === "polarity" ? `${joined(sides)}.` : `${sentence(field)} ${mine} here, ${joined(sides)}.`;
}
