/// A long list as its reader has chosen it, one page at a time: the first page of the record until they choose.
import { useContext, useRef, useState } from "preact/hooks";
import { Asked, type Pages, useQuery } from "../client";

interface Wanted<Part> {
  /** The document of one page: `$identifier`, `$after` and what can be chosen. */
  document: string;
  /** What was chosen; null for what the record was asked with. */
  chosen: object | null;
  /** The first page as it came with the record. */
  first: Part | undefined;
  /** Of the answer to the document. */
  take: (answer: never) => Part;
  /** How many entries are on a page, and the cursor after the last where there are more. */
  at: (part: Part) => { shown: number; end: string | null };
}

export function useChosenPages<Part>({ document, chosen, first, take, at }: Wanted<Part>): [Part | undefined, Pages] {
  const { identifier, turn } = useContext(Asked);
  const key = JSON.stringify([chosen, identifier, turn]);
  const [place, setPlace] = useState({ key, turned: [] as { after: string; before: number }[] });
  const turned = place.key === key ? place.turned : [];
  const moved = turned.length > 0 || chosen !== null;
  const after = turned.at(-1)?.after ?? null;
  const variables = moved ? { identifier, ...chosen, after } : null;
  const { data, waiting } = useQuery<{ patient: never }>(document, variables, turn);
  const here = turned.at(-1)?.before ?? 0;
  const kept = useRef({ key, part: first, before: 0 }); // the page before stays until the next has come
  if (!moved) kept.current = { key, part: first, before: 0 };
  else if (data?.patient && !waiting) kept.current = { key, part: take(data.patient), before: here };
  const failed = moved && !waiting && !data?.patient;
  // What was chosen before is not shown under what is chosen now, when that did not arrive.
  const { part, before } = failed && kept.current.key !== key ? { part: undefined, before: 0 } : kept.current;
  const { shown, end } = part === undefined ? { shown: 0, end: null } : at(part);
  return [
    part,
    {
      before,
      busy: moved && waiting,
      failed,
      ...(turned.length > 0 && { previous: () => setPlace({ key, turned: turned.slice(0, -1) }) }),
      ...(end && { next: () => setPlace({ key, turned: [...turned, { after: end, before: before + shown }] }) }),
    },
  ];
}
