/// The endpoint as this page uses it: one POST to /graphql, the answer in parts as they arrive.
import { Client, type CombinedError, fetchExchange, type OperationResult } from "@urql/core";
import { createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";

/** Kept in memory alone: on a shared workstation nothing must outlive the page. */
let token = "";

export function signIn(value: string): void {
  token = value.trim();
}

const client = new Client({
  url: "/graphql",
  preferGetMethod: false, // a person's number does not belong in a URL
  fetchSubscriptions: true, // as server-sent events, with the token in a header like every question
  exchanges: [fetchExchange], // no cache: the gateway knows how old an answer is, this page would not
  fetchOptions: () => (token ? { headers: { Authorization: `Bearer ${token}` } } : {}),
});

export interface Answer<Data> {
  /** What has arrived so far; sections that have not are left out. */
  data?: Data;
  error?: CombinedError;
  /** Whether parts are still to come. */
  waiting: boolean;
}

/** Asks when the document or a variable changes, and again when `turn` does; null asks nothing. */
export function useQuery<Data>(document: string, variables: object | null, turn = 0): Answer<Data> {
  const asked = variables && JSON.stringify([variables, turn]);
  const [answer, setAnswer] = useState<Answer<Data> & { asked: string | null }>({ asked, waiting: asked !== null });
  useEffect(() => {
    setAnswer({ asked, waiting: asked !== null });
    if (variables === null) return;
    const { unsubscribe } = client
      .query(document, variables)
      .subscribe((result: OperationResult<Data>) =>
        setAnswer({ asked, data: result.data, error: result.error, waiting: result.hasNext }),
      );
    return unsubscribe;
  }, [document, asked]);
  // Until the effect has run, what is here answers an earlier question: not for a moment is it shown as the answer to this.
  return answer.asked === asked ? answer : { waiting: asked !== null };
}

/** Every result of a subscription; what it gives back ends it. An error, or no `hasNext`, says that it has ended. */
export function subscribe<Data>(
  document: string,
  variables: object,
  told: (result: OperationResult<Data>) => void,
): () => void {
  return client.subscription<Data>(document, { ...variables }, { fetch: listening }).subscribe(told).unsubscribe;
}

/** The gateway writes something at least every 15 seconds, be it a comment, which nobody is told of. */
const SILENT_MS = 45_000;

/** fetch, whose answer breaks off where nothing arrives any more: a connection that goes nowhere looks open for hours. */
async function listening(...asked: Parameters<typeof fetch>): Promise<Response> {
  const response = await fetch(...asked);
  let timer = 0;
  const wait = (stream: TransformStreamDefaultController<Uint8Array>) => {
    clearTimeout(timer);
    timer = setTimeout(() => stream.error(new Error("nothing is heard any more")), SILENT_MS);
  };
  const heard = new TransformStream<Uint8Array, Uint8Array>({
    start: wait,
    transform(part, stream) {
      wait(stream);
      stream.enqueue(part);
    },
    flush: () => clearTimeout(timer),
  });
  return new Response(response.body?.pipeThrough(heard), response);
}

/** By what a person is asked for; the NHS number where `system` is left out. */
export interface Identifier {
  system?: string | null;
  value: string;
}

/** Whose record is on the screen, which asking it is, whether parts of it are still to come, and what time it is. */
export const Asked = createContext<{ identifier: Identifier; turn: number; waiting: boolean; now: Date }>({
  identifier: { value: "" },
  turn: 0,
  waiting: false,
  now: new Date(),
});

/** The time, to the minute: "3 hours ago" must not stand still on a page that is left open. */
export function useNow(): Date {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const minute = setInterval(() => setNow(new Date()), 60_000);
    return () => clearInterval(minute);
  }, []);
  return now;
}

interface Connection {
  entries: { nodes: readonly unknown[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } };
}

/** What turns the pages of a section. */
export interface Pages {
  /** How many entries stand before this page. */
  before: number;
  busy: boolean;
  failed: boolean;
  previous?: () => void;
  next?: () => void;
}

/** A section a page at a time: the first as the record brought it, each further one asked for; one replaces another. */
export function usePages<Record extends object, Key extends keyof Record>(
  document: string,
  key: Key,
  first: Record[Key] | undefined,
): [Record[Key] | undefined, Pages] {
  const { identifier, turn } = useContext(Asked);
  const [turned, setTurned] = useState<{ after: string; before: number }[]>([]);
  useEffect(() => setTurned([]), [turn, identifier]);
  const here = turned.at(-1);
  const answer = useQuery<{ patient: Record }>(document, here ? { identifier, after: here.after } : null, turn);
  const section = (here ? (answer.data?.patient?.[key] ?? undefined) : first) as (Record[Key] & Connection) | undefined;
  const before = here?.before ?? 0;
  const end = section?.entries.pageInfo.hasNextPage ? section.entries.pageInfo.endCursor : null;
  return [
    section,
    {
      before,
      busy: here !== undefined && answer.waiting,
      failed: here !== undefined && !answer.waiting && section === undefined,
      ...(here && { previous: () => setTurned(turned.slice(0, -1)) }),
      ...(end && {
        next: () => setTurned([...turned, { after: end, before: before + section!.entries.nodes.length }]),
      }),
    },
  ];
}
