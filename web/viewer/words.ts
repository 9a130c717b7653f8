/// Times, amounts and silences in words, as the NHS writes them (https://service-manual.nhs.uk/content).
import type { AtFragment, EmptyReason, HeardFragment, SourceState } from "../types/viewer";

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** "14 Jun 1968", "Jun 1968", "1968" or "14 Jun 1968, 02:10": no finer than it was stated, at the wall time stated. */
export function time(when: Pick<AtFragment, "value" | "precision"> | null | undefined): string {
  if (!when) return "no date";
  const [, year, month, day, clock] = /^(\d{4})(?:-(\d\d))?(?:-(\d\d))?(?:T(\d\d:\d\d))?/.exec(when.value) ?? [];
  if (year === undefined) return when.value;
  const date = [day && String(Number(day)), month && MONTHS[Number(month) - 1], year].filter(Boolean).join(" ");
  return clock ? `${date}, ${clock}` : date;
}

/** "58 years" on that day; null where the date of birth is not stated to the day. */
export function age(birth: string | undefined, now: Date): string | null {
  const parts = /^(\d{4})-(\d\d)-(\d\d)/.exec(birth ?? "")?.slice(1).map(Number);
  if (!parts) return null;
  const [year, month, day] = parts as [number, number, number];
  const had = now.getMonth() + 1 > month || (now.getMonth() + 1 === month && now.getDate() >= day);
  const years = now.getFullYear() - year - (had ? 0 : 1);
  return years < 2 ? `${years * 12 + ((now.getMonth() + 13 - month - (now.getDate() < day ? 1 : 0)) % 12)} months` : `${years} years`;
}

/** "999 407 1009" */
export function nhsNumber(value: string): string {
  return /^\d{10}$/.test(value) ? `${value.slice(0, 3)} ${value.slice(3, 6)} ${value.slice(6)}` : value;
}

/** How long ago, coarsely: "2 minutes ago", "8 hours ago", "3 days ago". */
export function ago(instant: string, now: Date): string {
  const minutes = Math.floor((now.getTime() - Date.parse(instant)) / 60_000);
  const said = (count: number, unit: string) => `${count} ${unit}${count === 1 ? "" : "s"} ago`;
  if (minutes < 1) return "just now";
  if (minutes < 120) return said(minutes, "minute");
  return minutes < 48 * 60 ? said(Math.floor(minutes / 60), "hour") : said(Math.floor(minutes / 1440), "day");
}

/** Why there is nothing here. Silence is never shown as absence: only NONE_KNOWN says that there is none. */
export const EMPTY: Record<EmptyReason, string> = {
  NONE_KNOWN: "None known: somebody stated that there is none",
  NOT_RECORDED: "Not recorded: the sources answered and hold nothing, which does not say that there is none",
  NOT_HELD: "No source here holds this about this person",
  NOT_ASKED: "Not known: a source was not asked, or its record could not be proved to be this person’s",
  WITHHELD: "Not shown: a source holds something back",
  UNAVAILABLE: "Not known: a source could not be reached or read",
};

export const STATE: Record<SourceState, string> = {
  OK: "Answered",
  PARTIAL: "Answered in part",
  PENDING: "Still waiting",
  NOT_ASKED: "Not asked",
  WITHHELD: "Holds something back",
  NOT_LINKED: "No record proved to be this person’s",
  UNAVAILABLE: "Not reached",
};

/** The sources of a section that have not answered completely. */
export function unheard(section: HeardFragment) {
  return section.sources.filter(
    ({ state, gaps }) =>
      state === "PARTIAL" || state === "PENDING" || state === "WITHHELD" || state === "UNAVAILABLE" ||
      (state === "NOT_LINKED" && gaps.every(({ kind }) => kind !== "NOT_HELD")),
  );
}
