/// Everything on which sources disagree: what each says, side by side. The gateway prefers none, and neither does this.
import { useMemo } from "preact/hooks";
import type { ConflictsFragment, DisputedFragment } from "../../types/viewer";
import { Pager, useSlices } from "../pager";
import { matter, polar, time } from "../words";
import { SECTION } from "./discrepancies";
import { type Heard, Part, Unheard } from "./part";

type Claim = DisputedFragment["conflicts"][number]["claims"][number] & { about: string };

interface Dispute {
  key: string;
  section: string;
  name: string;
  field: string;
  claims: Claim[];
}

const SIZE = 8;

interface Props {
  record: Partial<ConflictsFragment>;
  sources: Heard | undefined;
}

export function Disagreements({ record, sources }: Props) {
  const all = useMemo(() => disputes(record), [record.inAllergies]);
  const [shown, pages] = useSlices(all, SIZE);
  const arrived = record.inAllergies !== undefined;
  const more = arrived ? unseen(record) : [];
  return (
    <Part title="Where sources disagree" id="conflicts" arrived={arrived} count={all.length}>
      <Unheard sources={sources} />
      {more.length > 0 && <p>More than a thousand, of which the newest are here: {more.join(", ")}.</p>}
      {all.length === 0 && <p class="silence">No disagreement was found between the sources that answered.</p>}
      {shown.length > 0 && (
        <table>
          <caption class="hidden">Where sources disagree, both claims</caption>
          <thead>
            <tr>
              <th scope="col">About</th>
              <th scope="col">On</th>
              <th scope="col">What each says</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((one) => (
              <tr key={one.key}>
                <th scope="row">
                  {one.name} <span class="quiet">({one.section})</span>
                </th>
                <td data-label="On">{matter(one.field)}</td>
                <td data-label="What each says">
                  <dl class="claims">
                    {one.claims.map((claim) => (
                      <div key={claim.factId}>
                        <dt>{claim.source.name}</dt>
                        <dd>
                          <strong>{claim.value === null ? "Does not state it" : polar(claim.value)}</strong>{" "}
                          <span class="quiet">{claim.about}</span>
                        </dd>
                      </div>
                    ))}
                  </dl>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <Pager title="Where sources disagree" pages={pages} shown={shown.length} total={all.length} />
    </Part>
  );
}

type Listed = NonNullable<ConflictsFragment["inAllergies"]>;

function parts(record: Partial<ConflictsFragment>): [string, Listed][] {
  return Object.entries(record).flatMap(([field, part]) =>
    field.startsWith("in") ? [[field[2]!.toLowerCase() + field.slice(3), part as Listed] as [string, Listed]] : [],
  );
}

function unseen(record: Partial<ConflictsFragment>): string[] {
  return parts(record).flatMap(([section, { entries }]) => (entries.pageInfo.hasNextPage ? [SECTION[section] ?? section] : []));
}

type Named = DisputedFragment & { name?: { display: string } | null; named?: string | null };

const called = (entry: Named): string | undefined => entry.name?.display ?? entry.named ?? undefined;

/** Each disagreement once, though every entry of it names it. */
function disputes(record: Partial<ConflictsFragment>): Dispute[] {
  const found = new Map<string, Dispute>();
  const take = (section: string, entries: Named[]) => {
    const stated = new Map(entries.flatMap((entry) => entry.facts.map((fact) => [fact.id, { entry, fact }] as const)));
    const about = (factId: string, title: string | undefined): string => {
      const { entry, fact } = stated.get(factId) ?? {};
      const recorded = fact?.provenance.recorded;
      const other = entry && called(entry);
      return entry ? [other !== title && `of “${other ?? "not named"}”`, recorded && `recorded ${time(recorded)}`].filter(Boolean).join(", ") : "";
    };
    for (const entry of entries) {
      const name = called(entry);
      for (const { field, claims } of entry.conflicts) {
        const key = [section, field, ...claims.map(({ factId }) => factId).toSorted()].join(" ");
        if (found.has(key)) continue;
        const dated = claims.map((claim) => ({ ...claim, about: about(claim.factId, name) }));
        found.set(key, { key, section: SECTION[section] ?? section, name: name ?? "Not named", field, claims: dated });
      }
    }
  };
  if (record.person) take("person", [{ ...record.person, name: { display: "The person" } }]);
  for (const [section, part] of parts(record)) take(section, part.entries.nodes);
  return [...found.values()];
}
