/// How GraphiQL asks the endpoint it was served by. GraphiQL merges parts of graphql-js 17's format by itself.
import type { Fetcher, FetcherOpts, FetcherParams } from "@graphiql/toolkit";
import { type DocumentNode, getOperationAST, parse } from "graphql";
import { tell } from "./answer";
import { type Frame, framesOf, whole } from "./frames";

const WHOLE = "application/graphql-response+json, application/json;q=0.9";
const IN_PARTS = `multipart/mixed, ${WHOLE}`;
const AS_EVENTS = "text/event-stream";

export const fetcher: Fetcher = (params, options) =>
  params.operationName === "IntrospectionQuery" ? introspected(params, options) : (asked(params, options) as never);

async function introspected(params: FetcherParams, options?: FetcherOpts): Promise<never> {
  const response = await send(params, options, WHOLE);
  return (await whole(response)) as never;
}

/** The answer's frames; leaving them ends the request, not only the looking at it. */
function asked(params: FetcherParams, options?: FetcherOpts): AsyncIterable<Frame> {
  const leaving = new AbortController();
  const frames = told(params, options, leaving.signal);
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => frames.next(),
      return: () => {
        leaving.abort();
        return frames.return(undefined);
      },
    }),
  };
}

async function* told(params: FetcherParams, options: FetcherOpts | undefined, signal: AbortSignal): AsyncGenerator<Frame> {
  const waiting = new Map<string, string>();
  const expected = () => [...waiting.values()];
  let parts = 0;
  tell({ state: "arriving", parts, waiting: [] });
  try {
    const { accept, ...request } = understood(params);
    const response = await send(request, options, accept, signal);
    for await (const frame of framesOf(response)) {
      for (const { id, label, path } of frame.pending ?? []) waiting.set(id, label ?? path.join("."));
      for (const { id } of frame.completed ?? []) waiting.delete(id);
      parts += 1;
      if (response.ok) tell({ state: "arriving", parts, waiting: expected() });
      yield frame;
    }
    if (response.ok) tell({ state: "whole", parts });
    else if (response.status !== 401) tell({ state: "broken" });
  } catch (problem) {
    if (signal.aborted) return tell({ state: "stopped", waiting: expected() });
    tell({ state: "broken" });
    throw plain(problem);
  } finally {
    if (signal.aborted) tell({ state: "stopped", waiting: expected() });
  }
}

/** How the operation's answer should travel. A name that GraphiQL still remembers of an earlier document is left out. */
function understood(params: FetcherParams): FetcherParams & { accept: string } {
  let document: DocumentNode;
  try {
    document = parse(params.query);
  } catch {
    return { ...params, accept: WHOLE }; // the gateway says what is wrong with it
  }
  const named = getOperationAST(document, params.operationName);
  const { operationName: _, ...nameless } = params;
  const operation = named ?? getOperationAST(document);
  const accept = operation?.operation === "subscription" ? AS_EVENTS : IN_PARTS;
  return { ...(named || !operation ? params : nameless), accept };
}

async function send(params: FetcherParams, options: FetcherOpts | undefined, accept: string, signal?: AbortSignal) {
  const response = await fetch("/graphql", {
    method: "POST",
    headers: { ...options?.headers, "Content-Type": "application/json", Accept: accept },
    body: JSON.stringify(params),
    signal: signal ?? null,
  });
  if (response.status === 401) tell({ state: "refused" });
  return response;
}

/** GraphiQL shows an error with its stack, which tells nobody anything. */
function plain(problem: unknown): Error {
  const error = new Error(problem instanceof Error ? problem.message : String(problem));
  delete error.stack;
  return error;
}
