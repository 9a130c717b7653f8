/// Who said it: every entry opens to its sources, each one's own version, and what they disagree on.
import { useRef } from "preact/hooks";
import type { SaidFragment } from "../types/viewer";
import { time } from "./words";

type Entry = SaidFragment & { facts?: readonly object[] };

export function Said({ entry, label }: { entry: Entry; label: string }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const names = [...new Set(entry.provenance.map(({ source }) => source.name))];
  return (
    <>
      <button class="said" aria-haspopup="dialog" onClick={() => dialog.current?.showModal()}>
        {names.join(", ")}
        <span class="hidden"> said this about {label}: open what each said</span>
      </button>
      <dialog ref={dialog} aria-label={`Who said this about ${label}`}>
        <h3>{label}</h3>
        {entry.provenance.map((from) => (
          <dl key={from.recordHash + from.nativeId}>
            <dt>Source</dt>
            <dd>{from.source.name}</dd>
            <dt>Recorded</dt>
            <dd>{time(from.recorded)}</dd>
            <dt>Its own id</dt>
            <dd>{from.nativeId}</dd>
          </dl>
        ))}
        <button onClick={() => dialog.current?.close()}>Close</button>
      </dialog>
    </>
  );
}
