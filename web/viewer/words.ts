/// Times, names and amounts in words, as the NHS writes them (https://service-manual.nhs.uk/content). What sources say and
/// leave unsaid is in silence.ts.
import type { AtFragment } from "../types/viewer";

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

type Stated = Pick<AtFragment, "value">;

/** "14 Jun 1968", "Jun 1968", "1968" or "14 Jun 1968, 02:10": no finer than it was stated, at the wall time stated. */
export function time(when: Stated | null | undefined): string {
  if (!when) return "no date";
  const [, year, month, day, clock] = /^(\d{4})(?:-(\d\d))?(?:-(\d\d))?(?:T(\d\d:\d\d))?/.exec(when.value) ?? [];
  if (year === undefined) return when.value;
  const date = [day && String(Number(day)), month && MONTHS[Number(month) - 1], year].filter(Boolean).join(" ");
  return clock ? `${date}, ${clock}` : date;
}

/** "16 Jun 2026 to 3 Jul 2026", "since 16 Jun 2026", "until 3 Jul 2026"; null where neither is stated. */
export function period(stated: { start: Stated | null; end: Stated | null } | null | undefined): string | null {
  if (!stated || (!stated.start && !stated.end)) return null;
  if (!stated.start) return `until ${time(stated.end)}`;
  return stated.end ? `${time(stated.start)} to ${time(stated.end)}` : `since ${time(stated.start)}`;
}

/** An instant at this computer's wall time: "23 Nov 2026, 02:10". */
export function wall(instant: Date | string): string {
  const date = new Date(instant);
  const two = (part: number) => String(part).padStart(2, "0");
  const day = `${date.getDate()} ${MONTHS[date.getMonth()]} ${date.getFullYear()}`;
  return `${day}, ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** "58 years" on that day; null where the date of birth is not stated to the day. */
export function age(birth: string | undefined, now: Date): string | null {
  const parts = /^(\d{4})-(\d\d)-(\d\d)/
    .exec(birth ?? "")
    ?.slice(1)
    .map(Number);
  if (!parts) return null;
  const [year, month, day] = parts as [number, number, number];
  const months = (now.getFullYear() - year) * 12 + now.getMonth() + 1 - month - (now.getDate() < day ? 1 : 0);
  return months < 24 ? `${months} months` : `${Math.floor(months / 12)} years`;
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

interface Named {
  text?: string | null;
  family?: string | null;
  given: readonly string[];
  prefix?: readonly string[];
}

/** "QUILLFEATHER, Michael (Mr)": the family name in capitals, as a wristband has it. Words where there are no parts. */
export function listed(name: Named | undefined): string {
  if (!name) return "Name not stated";
  if (!name.family) return name.text ?? (name.given.join(" ") || "Name not stated");
  const prefix = name.prefix?.length ? ` (${name.prefix.join(" ")})` : "";
  return `${[name.family.toUpperCase(), name.given.join(" ")].filter(Boolean).join(", ")}${prefix}`;
}

/** "Rosamund Quillfeather" */
export function spoken(name: Named | undefined): string {
  return name?.text ?? ([...(name?.given ?? []), name?.family].filter(Boolean).join(" ") || "Name not stated");
}

/** "1 alert", "3 alerts" */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}

/** "entered-in-error" and "generalPractitioners" as a person writes them: "Entered in error", "General practitioners". */
export function sentence(code: string): string {
  const words = code
    .replace(/[-_]/g, " ")
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What sources disagree on, in words: the field's name, but for one that says nothing to who did not make the schema. */
export function matter(field: string): string {
  return field === "polarity" ? "Whether there is one" : sentence(field);
}

/** The two polarities in words; anything else as it is. */
export function polar(value: string): string {
  return value === "PRESENT" ? "Says that it is so" : value === "ABSENT" ? "Says that there is none" : value;
}

/** Without what is empty, joined: what a line says, in one string. No full stop is doubled. */
export function joined(parts: readonly (string | null | undefined | false)[], between = ", "): string {
  const said = parts.filter((part): part is string => Boolean(part));
  return (between.startsWith(".") ? said.map((part) => part.replace(/\.$/, "")) : said).join(between);
}
