/// One section of the record: its entries a page at a time, what it says where there are none, and who was not heard.
import type { ComponentChildren } from "preact";
import type { HeardFragment, PagingFragment } from "../types/viewer";
import { EMPTY, STATE, unheard } from "./words";

interface Props {
  title: string;
  id: string;
  /** Undefined until it has arrived. */
  section: (HeardFragment & { entries: { pageInfo: PagingFragment } }) | undefined;
  children: ComponentChildren;
}

export function Section({ title, id, section, children }: Props) {
  return (
    <section id={id} aria-labelledby={`${id}-title`} aria-busy={section === undefined}>
      <h2 id={`${id}-title`}>
        {title} {section && <span class="count">{section.totalCount}</span>}
      </h2>
      {section === undefined ? <p class="waiting">Waiting for the sources ...</p> : <Silence section={section} />}
      {section && children}
    </section>
  );
}

/** What is missing here, in words; nothing where all was heard and there are entries. */
export function Silence({ section }: { section: HeardFragment }) {
  const missing = unheard(section);
  return (
    <>
      {section.emptyReason && <p class="silence">{EMPTY[section.emptyReason]}.</p>}
      {missing.length > 0 && (
        <p class="silence">
          Not complete: {missing.map(({ source, state }) => `${source.name} (${STATE[state].toLowerCase()})`).join(", ")}.
        </p>
      )}
    </>
  );
}
