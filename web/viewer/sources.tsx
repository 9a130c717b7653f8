/// Which sources answered, how old each answer is, and why it was decided that their record is this person's.
import type { SourceState } from "../types/sherwood";
import type { LinksFragment, SourcesFragment } from "../types/viewer";
import { useContext } from "preact/hooks";
import { Asked } from "./client";
import { evidence } from "./evidence";
import { became, saidNothing, isUnheard, whoWasNotHeard } from "./silence";
import { ago, joined, sentence, time, wall } from "./words";

type Source = SourcesFragment["sources"][number];

/** Shape and words carry the state; colour only repeats them. */
const ICON: Record<SourceState, [shape: string, colour: string]> = {
  OK: ["✓", "green"],
  PARTIAL: ["◐", "yellow"],
  PENDING: ["…", "blue"],
  NOT_ASKED: ["–", "grey"],
  WITHHELD: ["◼", "yellow"],
  NOT_LINKED: ["○", "grey"],
  UNAVAILABLE: ["✕", "red"],
};

/** One that only listens is no source that answered completely, and does not look like one. */
function icon({ state, completeFrom }: Source): [shape: string, colour: string] {
  return ICON[state === "OK" && completeFrom ? "PARTIAL" : state];
}

/** How many answered completely, of whom nothing was heard, and who left something out, each with the reason. */
export function Completeness({ sources }: { sources: SourcesFragment["sources"] | undefined }) {
  if (!sources) return null;
  const heard = sources.filter((source) => !isUnheard(source)).length;
  const silent = whoWasNotHeard(sources.filter(saidNothing));
  const missing = whoWasNotHeard(sources.filter((source) => !saidNothing(source)));
  const strangers = sources.filter((source) => source.code === "PATIENT_NOT_FOUND" && !isUnheard(source)).length;
  return (
    <p id="completeness" class={silent || missing ? "completeness silence" : "completeness"}>
      <strong>
        {heard} of {sources.length} sources answered completely.
      </strong>
      {strangers > 0 && ` ${strangers} of them ${strangers === 1 ? "does" : "do"} not know this person.`}
      {silent && (
        <>
          {" "}
          <strong>Not heard: {silent}.</strong>
        </>
      )}
      {missing && ` Not complete: ${missing}.`}
    </p>
  );
}

export function Sources({ record }: { record: Partial<SourcesFragment & LinksFragment> }) {
  const { now } = useContext(Asked);
  return (
    <section id="sources" class="card" aria-labelledby="sources-title">
      <h2 id="sources-title">Sources</h2>
      <ul class="sources">
        {record.sources?.map((source) => (
          <li key={source.source.id}>
            <details>
              <summary>
                <span class={`icon ${icon(source)[1]}`} aria-hidden="true">
                  {icon(source)[0]}
                </span>
                <strong>{source.source.name}</strong>
                <span>
                  {became(source)}
                  {source.asOf && <span class="quiet">, {ago(source.asOf, now)}</span>}
                </span>
              </summary>
              <Detail source={source} links={record.links} />
            </details>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Detail({ source, links }: { source: Source; links: LinksFragment["links"] | undefined }) {
  const about = links?.filter((link) => link.source.id === source.source.id) ?? [];
  const kept =
    source.cache === "HIT"
      ? " (kept from an earlier asking)"
      : source.cache === "SHARED"
        ? " (asked together with others)"
        : "";
  return (
    <dl>
      <dt>Organisation</dt>
      <dd>{source.source.organization}</dd>
      <dt>As at</dt>
      <dd>{source.asOf ? `${wall(source.asOf)}${kept}` : "No answer"}</dd>
      {source.completeFrom && (
        <>
          <dt>Complete from</dt>
          <dd>{time(source.completeFrom)}: what is older may be missing</dd>
        </>
      )}
      <dt>Facts, and how long it took</dt>
      <dd>{joined([String(source.facts), source.latencyMs === null ? null : `${source.latencyMs} ms`])}</dd>
      {(source.message || source.code) && (
        <>
          <dt>What it or the gateway says</dt>
          <dd>{joined([source.message, source.code], " ")}</dd>
        </>
      )}
      {source.gaps.map((gap) => (
        <div key={`${gap.kind}${gap.factType}${gap.code}`}>
          <dt>{joined([sentence(gap.kind), gap.factType && sentence(gap.factType).toLowerCase()], ", ")}</dt>
          <dd>{joined([gap.text, gap.code, gap.count > 1 && `${gap.count} times`]) || "No more is said"}</dd>
        </div>
      ))}
      {about.map((link) => (
        <div key={`${link.localId}${link.grade}`}>
          <dt>{link.localId ?? "A record that is not shown"}</dt>
          <dd>
            {sentence(link.status)}, {link.grade}. {evidence(link.evidence)}. Decided by {link.decidedBy}.
          </dd>
        </div>
      ))}
    </dl>
  );
}
