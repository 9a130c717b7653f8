/// A part of the page that is put together from every source, and is no section of the record.
import type { ComponentChildren } from "preact";
import type { SourcesFragment } from "../../types/viewer";
import { NotYet } from "../section";
import { whoWasNotHeard } from "../silence";
import "./part.css";

export type Heard = SourcesFragment["sources"];

interface Props {
  title: string;
  id: string;
  /** False until the gateway has sent it. */
  arrived: boolean;
  count?: number | undefined;
  children?: ComponentChildren;
}

export function Part({ title, id, arrived, count, children }: Props) {
  return (
    <section id={id} class="card" aria-labelledby={`${id}-title`} aria-busy={!arrived}>
      <h2 id={`${id}-title`}>
        {title} {arrived && count !== undefined && <span class="count">{count}</span>}
      </h2>
      {arrived ? children : <NotYet />}
    </section>
  );
}

/** Who has not said everything; nothing where all have. */
export function Unheard({ sources, complete = true }: { sources: Heard | undefined; complete?: boolean }) {
  const missing = whoWasNotHeard(sources ?? []);
  if (complete && !missing) return null;
  return <p class="silence">Not complete: something may be missing here{missing && `. ${missing}`}.</p>;
}
