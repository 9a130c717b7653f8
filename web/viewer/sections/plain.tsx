/// The sections that need no more than a line for each entry: one component, and for each type what its line says.
import type { HeardFragment, PagingFragment } from "../../types/viewer";
import { usePages } from "../client";
import { Marks } from "../marks";
import { Conflicts, type Entry, Said } from "../said";
import { Section } from "../section";
import { sentence, time } from "../words";

export interface Line {
  /** What it is. */
  title: string;
  /** What it says, in a sentence or two; empty where the title is all. */
  words: string;
  status: string | null;
}

type Plain = HeardFragment & { entries: { nodes: readonly Entry[]; pageInfo: PagingFragment } };

/** One section, and how an entry of it reads. */
export interface Kind<Key extends string, One> {
  key: Key;
  title: string;
  /** The question for one page of it. */
  page: string;
  line: (entry: One) => Line;
}

export function PlainSection<Key extends string, One extends Entry>({
  kind,
  record,
}: {
  kind: Kind<Key, One>;
  record: { [key in Key]?: Plain };
}) {
  const [section, pages] = usePages<{ [key in Key]: Plain }, Key>(kind.page, kind.key, record[kind.key]);
  return (
    <Section title={kind.title} id={kind.key} section={section} pages={pages}>
      <ul class="facts">
        {section?.entries.nodes.map((entry) => (
          <PlainLine key={entry.id} entry={entry} line={kind.line(entry as One)} />
        ))}
      </ul>
    </Section>
  );
}

const UNREMARKABLE = new Set(["active", "completed", "current", "final", "finished", "available"]);

function PlainLine({ entry, line }: { entry: Entry; line: Line }) {
  const title = line.title || "Not named";
  return (
    <li class={entry.enteredInError ? "withdrawn" : undefined}>
      <p>
        <strong>{title}</strong> <Marks entry={entry} />
        {line.status && !UNREMARKABLE.has(line.status) && <span class="tag grey">{sentence(line.status)}</span>}
      </p>
      {line.words && <p class="words">{line.words}</p>}
      <p class="quiet">
        {time(entry.when)} <Said entry={entry} label={title} />
      </p>
      <Conflicts entry={entry} />
    </li>
  );
}
