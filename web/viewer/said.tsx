/// Who said it: every entry opens to its sources, each one's own version, and what they disagree on.
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { FromFragment, OwnFragment, SaidFragment } from "../types/viewer";
import { Fields, Value } from "./value";
import { count, joined, matter, polar, time, wall } from "./words";

/** With each source's own version, what every fact says of itself and the fields of its type: in the order of `provenance`. */
export type Entry = SaidFragment & { facts?: readonly Pick<OwnFragment, "id">[] };

/** The names of the sources, or their number, as a button that opens what each of them said. */
export function Said({ entry, label, counted = false }: { entry: Entry; label: string; counted?: boolean }) {
  const [open, setOpen] = useState(false);
  const names = [...new Set(entry.provenance.map(({ source }) => source.name))];
  return (
    <>
      <button class="said" aria-haspopup="dialog" onClick={() => setOpen(true)}>
        {counted ? count(names.length, "source") : names.join(", ")}
        <span class="hidden">: what each says about {label}</span>
      </button>
      {open && <WhoSaid entry={entry} label={label} close={() => setOpen(false)} />}
    </>
  );
}

function WhoSaid({ entry, label, close }: { entry: Entry; label: string; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const title = useId();
  useEffect(() => dialog.current?.showModal(), []); // Escape and the focus are the browser's own
  const { provenance, facts } = entry;
  return (
    <dialog ref={dialog} aria-labelledby={title} onClose={close}>
      <form method="dialog">
        <button>Close</button>
      </form>
      <h2 id={title}>{label}</h2>
      <Conflicts entry={entry} />
      <h3>{provenance.length === 1 ? "One source says this" : `${provenance.length} records say this`}</h3>
      <div class="versions">
        {provenance.map((from, place) => (
          <Version key={place} from={from} own={facts?.[place] ?? {}} />
        ))}
      </div>
    </dialog>
  );
}

/** Every claim with its source, none preferred. */
export function Conflicts({ entry }: { entry: Pick<SaidFragment, "conflicts"> }) {
  return (
    <>
      {entry.conflicts.map(({ field, claims }) => (
        <div class="conflict" key={field}>
          <h3>Sources disagree: {matter(field).toLowerCase()}</h3>
          <dl>
            {claims.map(({ source, factId, value }) => (
              <div key={factId}>
                <dt>{source.name}</dt>
                <dd>{value === null ? "Does not state it" : polar(value)}</dd>
              </div>
            ))}
          </dl>
        </div>
      ))}
    </>
  );
}

function Version({ from, own }: { from: FromFragment; own: object }) {
  const by = from.author && joined([from.author.name, from.author.role, from.author.organization]);
  return (
    <article>
      <h4>{from.source.name}</h4>
      <Fields of={own} />
      <dl class="origin">
        <dt>Recorded</dt>
        <dd>{from.recorded ? <Value value={from.recorded} /> : "Not stated"}</dd>
        <dt>By</dt>
        <dd>{by || "Not stated"}</dd>
        {from.author?.telecom.length ? (
          <>
            <dt>How to reach them</dt>
            <dd>
              <Value value={from.author.telecom} />
            </dd>
          </>
        ) : null}
        <dt>Fetched</dt>
        <dd>{wall(from.retrieved)}</dd>
        <dt>Its own number</dt>
        <dd class="exact">{from.nativeId}</dd>
        <dt>Hash of the original</dt>
        <dd class="exact">{from.recordHash}</dd>
      </dl>
    </article>
  );
}

/** When the newest of the sources wrote it down. */
export function recorded(entry: SaidFragment): string {
  const all = entry.provenance.map(({ recorded: at }) => at).filter((at) => at !== null);
  const newest = all.sort((a, b) => b.earliest.localeCompare(a.earliest))[0];
  return newest ? time(newest) : "date not stated";
}
