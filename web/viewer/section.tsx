/// One section of the record: its entries a page at a time, what it says where there are none, and who was not heard.
import type { ComponentChildren } from "preact";
import { useContext } from "preact/hooks";
import type { HeardFragment } from "../types/viewer";
import { Asked, type Pages } from "./client";
import { Pager } from "./pager";
import { EMPTY, whoWasNotHeard } from "./silence";

interface Props {
  title: string;
  id: string;
  /** Undefined until it has arrived. */
  section: (HeardFragment & { entries: { nodes: readonly unknown[] } }) | undefined;
  pages?: Pages;
  children: ComponentChildren;
}

export function Section({ title, id, section, pages, children }: Props) {
  const entries = section?.entries.nodes.length ?? 0;
  return (
    <section id={id} class="card" aria-labelledby={`${id}-title`} aria-busy={section === undefined}>
      <h2 id={`${id}-title`}>
        {title} {section && <span class="count">{section.totalCount}</span>}
      </h2>
      {section === undefined ? <NotYet busy={pages?.busy} /> : <Silence section={section} />}
      {entries > 0 && children}
      {pages && (section || pages.previous) && (
        <Pager title={title} pages={pages} shown={entries} total={section?.totalCount ?? 0} />
      )}
    </section>
  );
}

/** Where a section has not arrived: it may still, or the answer broke off before it. */
export function NotYet({ busy = false }: { busy?: boolean }) {
  const { waiting } = useContext(Asked);
  return waiting || busy ? (
    <p class="waiting">Waiting for the sources ...</p>
  ) : (
    <p class="silence">Not known: this part of the answer did not arrive. Ask again.</p>
  );
}

/** What is missing here, in words; nothing where all was heard and there are entries. */
export function Silence({ section }: { section: HeardFragment }) {
  const missing = whoWasNotHeard(section.sources);
  return (
    <>
      {section.emptyReason && <p class="silence">{EMPTY[section.emptyReason]}.</p>}
      {missing && <p class="silence">Not complete. {missing}.</p>}
    </>
  );
}
