/// What one source does not have, or has differently, most important first. The source may be right.
import { useState } from "preact/hooks";
import type { DiscrepanciesFragment, DiscrepancyKind } from "../../types/viewer";
import page from "../documents/discrepancies-page.graphql";
import { Pager } from "../pager";
import { Said } from "../said";
import { count, matter, time } from "../words";
import { claims } from "./claims";
import { useChosenPages } from "./pages";
import { type Heard, Part } from "./part";
import { denied, detail, kind, name } from "./what";


type Discrepancy = DiscrepanciesFragment["discrepancies"]["nodes"][number];

export const SECTION: Record<string, string> = {
  allergies: "allergies",
  appointments: "appointments",
  assessments: "assessments",
  carePlans: "care plans",
  careTeam: "care teams",
  communications: "messages",
  conditions: "problems",
  consents: "consents",
  diagnosticReports: "reports",
  documents: "documents",
  encounters: "contacts",
  flags: "alerts",
  imagingStudies: "imaging",
  immunizations: "immunisations",
  medications: "medicines",
  observations: "results",
  procedures: "procedures",
  referrals: "referrals",
  relatedPersons: "related persons",
  socialHistory: "social history",
};

const KIND: Record<DiscrepancyKind, string> = {
  DIFFERS: "Stated differently",
  NOT_FOUND: "Not found there",
  CANNOT_TELL: "Cannot be told",
  OUT_OF_SCOPE: "Not held there",
  SOURCE_UNAVAILABLE: "Not heard",
};

interface Props {
  record: Partial<DiscrepanciesFragment>;
  sources: Heard | undefined;
}

export function Discrepancies({ record, sources }: Props) {
  const [source, setSource] = useState<string | null>(null);
  const [found, pages] = useChosenPages<DiscrepanciesFragment["discrepancies"]>({
    document: page,
    chosen: source ? { source } : null,
    first: record.discrepancies,
    take: (patient: DiscrepanciesFragment) => patient.discrepancies,
    at: ({ nodes, pageInfo }) => ({ shown: nodes.length, end: pageInfo.hasNextPage ? pageInfo.endCursor : null }),
  });
  return (
    <Part title="Not found, or stated differently" id="discrepancies" arrived={found !== undefined} count={found?.totalCount}>
      <p>Most important first. It is no reproach: the source may be right, and the others wrong.</p>
      <form class="choices" aria-label="Choose a source" onSubmit={(event) => event.preventDefault()}>
        <label>
          What this record does not have
          <select onChange={({ currentTarget }) => setSource(currentTarget.value || null)}>
            <option value="">Every source</option>
            {sources?.map(({ source: one }) => (
              <option key={one.id} value={one.id}>
                {one.name}
              </option>
            ))}
          </select>
        </label>
      </form>
      <ul role="list" class="rows">
        {found?.nodes.map((one) => (
          <Row key={one.kind + one.source.id + one.section + (one.entry?.id ?? "")} one={one} />
        ))}
      </ul>
      {found && (
        <Pager title="Not found, or stated differently" pages={pages} shown={found.nodes.length} total={found.totalCount} />
      )}
    </Part>
  );
}

function Row({ one }: { one: Discrepancy }) {
  const { entry } = one;
  if (!entry) {
    return (
      <li>
        <p>
          <span class="tag">{KIND[one.kind]}</span> {count(one.count, "entry", "entries")} of{" "}
          <strong>{SECTION[one.section] ?? one.section}</strong>: {one.message}.
        </p>
      </li>
    );
  }
  const against = denied(entry);
  return (
    <li>
      <p>
        <span class="tag">{KIND[one.kind]}</span> {against && <span class="tag red">{against}</span>}{" "}
        <strong>{name(entry)}</strong> ({kind(entry).toLowerCase()}, {time(entry.when)}): {one.message}.
      </p>
      {detail(entry) && <p>{detail(entry)}</p>}
      {entry.conflicts.map((conflict) => (
        <p key={conflict.field} class="follows">
          On {matter(conflict.field).toLowerCase()}: {claims(conflict.claims)}
        </p>
      ))}
      <Said entry={entry} label={name(entry)} />
    </li>
  );
}
