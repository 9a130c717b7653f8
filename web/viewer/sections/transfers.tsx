/// Referrals and discharges, and whether anybody replied. That none was found never says that there was none.
import type { TransfersFragment } from "../../types/viewer";
import { Pager, useSlices } from "../pager";
import { Said } from "../said";
import { time } from "../words";
import { type Heard, Part, Unheard } from "./part";
import { detail, kind, name } from "./what";

type Transfer = TransfersFragment["transfersOfCare"][number];

const KIND = { REFERRAL: "Referral", DISCHARGE: "Discharge" } as const;

export function Transfers({ record, sources }: { record: Partial<TransfersFragment>; sources: Heard | undefined }) {
  const all = record.transfersOfCare;
  const [shown, pages] = useSlices(all ?? [], 6);
  return (
    <Part title="Referrals and discharges" id="transfers" arrived={all !== undefined} count={all?.length}>
      <Unheard sources={sources} />
      {all?.length === 0 && <p class="silence">No referral and no discharge was found in the sources that answered.</p>}
      <ul role="list" class="rows">
        {shown.map((transfer) => (
          <li key={transfer.kind + transfer.entry.id}>
            <p>
              <span class="tag">{KIND[transfer.kind]}</span> <strong>{name(transfer.entry)}</strong>, {when(transfer)}
            </p>
            {detail(transfer.entry) && <p>{detail(transfer.entry)}</p>}
            <Reply transfer={transfer} />
            <Said entry={transfer.entry} label={name(transfer.entry)} />
          </li>
        ))}
      </ul>
      <Pager title="Referrals and discharges" pages={pages} shown={shown.length} total={all?.length ?? 0} />
    </Part>
  );
}

/** A discharge is the end of a stay. */
function when({ kind: which, entry }: Transfer): string {
  const end = which === "DISCHARGE" && entry.__typename === "Encounter" ? entry.period?.end : null;
  return time(end ?? entry.when);
}

function Reply({ transfer }: { transfer: Transfer }) {
  const { reply, replies, unheard } = transfer;
  const others = unheard.map(({ name: source }) => source).join(", ");
  if (reply === "FOUND") {
    return (
      <p>
        A reply was found:{" "}
        {replies
          .map(({ entry, source }) => `${kind(entry).toLowerCase()}, ${name(entry)}, ${time(entry.when)} (${source.name})`)
          .join("; ")}
        .
      </p>
    );
  }
  if (reply === "NOT_FOUND") return <p class="silence">No reply was found in the sources that answered.</p>;
  return (
    <p class="silence">
      Whether there is a reply cannot be told: none was found in the sources that answered
      {others ? `, and not everything was heard from ${others}` : ", and some of what they hold does not say what it belongs to"}.
    </p>
  );
}
