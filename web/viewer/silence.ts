/// What a source did not say, and why, in words. Silence is never shown as absence: only NONE_KNOWN says that there is none.
import type { EmptyReason, GapKind, SourceState } from "../types/sherwood";
import { joined, time } from "./words";

export const EMPTY: Record<EmptyReason, string> = {
  NONE_KNOWN: "None known: somebody stated that there is none",
  NOT_RECORDED: "Not recorded: the sources answered and hold nothing, which does not say that there is none",
  NOT_HELD: "No source here holds this about this person, which does not say that there is none",
  NOT_ASKED: "Not known: a source was not asked, or its record could not be proved to be this person’s",
  WITHHELD: "Not shown: a source holds something back",
  UNAVAILABLE: "Not known: a source could not be reached or read",
};

export const STATE: Record<SourceState, string> = {
  OK: "Answered",
  PARTIAL: "Answered in part",
  PENDING: "Has not answered yet",
  NOT_ASKED: "Not asked",
  WITHHELD: "Holds something back",
  NOT_LINKED: "No record proved to be this person’s",
  UNAVAILABLE: "Not reached",
};

/** Why, where the code says more than the state (docs/reference/errors.md). */
const WHY: Record<string, string> = {
  SOURCE_TIMEOUT: "Not reached: no complete answer in time",
  SOURCE_THROTTLED: "Not reached: it asks to be left alone for a while",
  SOURCE_AUTH: "Not reached: it refused the gateway",
  SOURCE_INVALID: "Not readable: it answered with something that is not its protocol",
  PATIENT_NOT_FOUND: "Answered: does not know this person",
  PRESENT_NOT_LINKED: "Has a record that could not be proved to be this person’s",
  PATIENT_RESTRICTED: "Not shown: the person’s record is restricted",
  RESTRICTION_UNKNOWN: "Not asked: nobody could say whether the person is restricted",
  NO_IDENTIFIER: "Not asked: no number of this person is known that it takes",
  NOT_HELD: "Does not hold this",
  SEARCH_NOT_OFFERED: "Cannot be searched by name",
  SEARCH_NEEDS_MORE: "Not asked: it is searched by more than was typed, such as a given name",
  TOO_MANY_MATCHES: "Answered in part: more people fit than it gives",
};

interface Told {
  state: SourceState;
  code: string | null;
  /** Where it only listens, since when. */
  completeFrom?: { value: string } | null;
  gaps?: readonly { kind: GapKind; text?: string | null }[];
}

/** What became of a source, in a few words. */
export function state({ state, code }: Told): string {
  const why = code === null ? undefined : WHY[code];
  if (why === undefined) return STATE[state];
  return state === "PARTIAL" && code === "PRESENT_NOT_LINKED"
    ? "Answered; has another record, not proved to be this person’s"
    : why;
}

/**
 * Whether it did not answer completely. One that answered that it does not know the person, or holds no such thing, did;
 * one that only listens did not: of before it began it knows nothing, not even whether it would know the person.
 */
export function isUnheard({ state, code, completeFrom, gaps = [] }: Told): boolean {
  if (completeFrom) return true;
  if (state === "OK") return false;
  if (state !== "NOT_ASKED" && state !== "NOT_LINKED") return true;
  return code !== "NOT_HELD" && !gaps.some(({ kind }) => kind === "NOT_HELD");
}

type Named = Told & { source: { name: string } };

/** Whether nothing at all was heard of it: whatever it holds is missing, not a part of it. */
export function saidNothing({ state }: Told): boolean {
  return state === "UNAVAILABLE" || state === "PENDING" || state === "NOT_ASKED";
}

/**
 * "Community nursing, east (has not answered yet); Laboratory (knows only what came since 6 Jan 2026, 06:00)": those of whom
 * nothing was heard come first.
 */
export function whoWasNotHeard(sources: readonly Named[]): string {
  const unheard = sources.filter(isUnheard);
  return [...unheard.filter(saidNothing), ...unheard.filter((told) => !saidNothing(told))]
    .map((told) => `${told.source.name} (${(told.state === "OK" && since(told)) || lower(became(told))})`)
    .join("; ");
}

/** What became of it, and since when it listens where it does no more. */
export function became(told: Told): string {
  return joined([state(told), since(told)], "; ");
}

const since = ({ completeFrom }: Told): string | null =>
  completeFrom ? `knows only what came since ${time(completeFrom)}` : null;

const lower = (words: string): string => words.charAt(0).toLowerCase() + words.slice(1);
