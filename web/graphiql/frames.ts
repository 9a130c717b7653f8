/// An answer of the endpoint as a row of frames, however it travels: whole, in parts (multipart/mixed, RFC 2046
/// section 5.1, in the format of graphql-js 17) or as events (GraphQL over server-sent events, "distinct connections").
import { meros } from "meros/browser";

export interface Frame {
  data?: unknown;
  errors?: readonly unknown[];
  hasNext?: boolean;
  pending?: readonly { id: string; label?: string; path: readonly (string | number)[] }[];
  completed?: readonly { id: string }[];
}

/** The frames as they arrive. Throws where the answer is none of GraphQL, or ends before its last frame. */
export async function* framesOf(response: Response): AsyncGenerator<Frame> {
  const type = response.headers.get("content-type") ?? "";
  if (type.startsWith("multipart/mixed")) yield* parts(response);
  else if (type.startsWith("text/event-stream")) yield* events(response);
  else yield await whole(response);
}

export async function whole(response: Response): Promise<Frame> {
  const text = await response.text();
  try {
    return JSON.parse(text) as Frame;
  } catch {
    throw new Error(`HTTP ${response.status}: what came back is not a GraphQL answer.`);
  }
}

async function* parts(response: Response): AsyncGenerator<Frame> {
  let more = true;
  for await (const part of (await meros<Frame>(response)) as AsyncGenerator<{ json: boolean; body: Frame }>) {
    if (!part.json) throw new Error("A part of the answer is not JSON.");
    more = part.body.hasNext ?? false;
    yield part.body;
  }
  if (more) throw new Error(BROKE_OFF);
}

async function* events(response: Response): AsyncGenerator<Frame> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    const whole = (buffer + read.value).split(/\r?\n\r?\n/);
    buffer = whole.pop()!;
    for (const event of whole) {
      if (field(event, "event") === "complete") return;
      if (field(event, "event") === "next") yield JSON.parse(field(event, "data")) as Frame;
    }
  }
  throw new Error(BROKE_OFF);
}

const field = (event: string, name: string) =>
  event
    .split(/\r?\n/)
    .filter((line) => line.startsWith(`${name}:`))
    .map((line) => line.slice(name.length + 1).trimStart())
    .join("\n");

const BROKE_OFF = "The answer broke off before its end: what had arrived is not shown, because it is not whole. Ask again.";
