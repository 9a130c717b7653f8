/// What is drawn: the gateway's series as points by source, bounds and ranges. It computes nothing about the patient.
import type { ChartsFragment, MedicinesFragment } from "../../types/viewer";
import { whoWasNotHeard } from "../silence";
import { joined, time } from "../words";
import { amount, written } from "./amounts";
import { type Medicine, isCourse, isOver } from "./courses";
import { contact } from "./what";
import { grouped } from "./grouped";

export type Series = ChartsFragment["outcomes"][number];

export interface Mark {
  /** Seconds since 1970, UTC: the earliest that the stated time can mean. */
  at: number;
  value: number;
  /** "<5" is a bound and no point of the line. */
  bound: string | null;
  /** Whose version is shown; the others stand in the words. */
  source: string;
  words: string;
}

/** A dose, as long as it was the dose. */
export interface Span {
  from: number;
  to: number;
  value: number;
  words: string;
}

export interface Pane {
  title: string;
  unit: string;
  lines: Mark[][];
  spans: Span[];
  /** Where every stated range is the same. */
  range: [number, number] | null;
  /** Marks without a value, at one height. */
  lane: boolean;
  /** What belongs here and is not drawn, and why; null where everything is. */
  left: string | null;
}

export const seconds = (instant: string): number => Date.parse(instant) / 1000;
const sources = (entry: { provenance: readonly { source: { name: string } }[] }) =>
  [...new Set(entry.provenance.map(({ source }) => source.name))];

function marks(series: Series): Mark[] {
  const points = series.points.map(({ value, when, original, entry }) => ({
    at: seconds(when.earliest),
    value: Number(value),
    bound: null,
    source: sources(entry)[0]!,
    words: `${series.name} ${amount(original)}, ${time(when)}, ${sources(entry).join(", ")}`,
  }));
  const bounds = series.excluded.flatMap(({ reason, when, original, entry }) =>
    reason === "COMPARATOR" && when && original?.value != null && (original.code ?? original.unit) === series.unit
      ? [
          {
            at: seconds(when.earliest),
            value: Number(original.value),
            bound: `${original.comparator}${original.value}`,
            source: sources(entry)[0]!,
            words: `${series.name} ${amount(original)} (a bound, on no line), ${time(when)}, ${sources(entry).join(", ")}`,
          },
        ]
      : [],
  );
  return [...points, ...bounds].sort((a, b) => a.at - b.at);
}

/** Every range that is stated among the points, each once. */
export function ranges(series: Series): string[] {
  return [...new Set(series.points.flatMap(({ entry }) => entry.referenceRange ?? []))];
}

function band(all: readonly Series[]): [number, number] | null {
  const read = all.flatMap(ranges).map((text) => /^\s*([\d.]+)\s*(?:-|–|to)\s*([\d.]+)/.exec(text));
  const bounds = new Set(read.map((found) => found && `${Number(found[1])} ${Number(found[2])}`));
  const only = bounds.size === 1 ? [...bounds][0] : null;
  return only ? (only.split(" ").map(Number) as [number, number]) : null;
}

export function pane(title: string, series: readonly Series[]): Pane {
  return {
    title,
    unit: series[0] ? written(series[0].unit) : "",
    lines: series.map(marks),
    spans: [],
    range: band(series),
    lane: false,
    left: null, // each series says so in its own words
  };
}

const UNITS = /^(international )?units?$|^\[?iU\]?$/i;

export const inUnits = (one: Medicine): boolean =>
  isCourse(one) && !one.enteredInError && one.facts.some(({ dose }) => UNITS.test(dose?.unit ?? dose?.code ?? ""));

const IN_WORDS = /\binsulin\b|\bunits?\b|\biu\b/i;

/** Courses and orders that may be dosed in units, of which no amount can be read: their words must be. */
const inWords = (one: Medicine): boolean =>
  isCourse(one) &&
  !one.enteredInError &&
  !inUnits(one) &&
  [one, ...one.facts].some(({ code, dosage }) => IN_WORDS.test(`${code?.display} ${dosage}`));

/** Courses and orders dosed in units, which insulin is: each as long as it is said to have run. */
export function doses(record: Partial<MedicinesFragment>, now: number): Pane | null {
  const every = record.medications?.entries.nodes ?? [];
  const unread = every.filter(inWords);
  const spans = every.filter(inUnits).flatMap((one) => {
    const stated = one.dose ?? one.facts.map(({ dose }) => dose).find(Boolean);
    const start = one.effective?.start ?? one.when;
    if (!start || stated?.value == null) {
      unread.push(one);
      return [];
    }
    const end = one.effective?.end;
    if (!end && isOver(one)) {
      unread.push(one); // it has ended, and nobody says when
      return [];
    }
    const until = end ? `to ${time(end)}` : "no end stated";
    const words = `${one.code?.display ?? "Not named"}, ${amount(stated)}, ${one.status ?? "status not stated"}, from ${time(start)}, ${until}, ${sources(one).join(", ")}`;
    return [{ from: seconds(start.earliest), to: end ? seconds(end.earliest) : now, value: Number(stated.value), words }];
  });
  const named = [...new Set(unread.map(({ code, brand }) => code?.display ?? brand ?? "not named"))].join(", ");
  const left = unread.length > 0 ? `Not drawn: ${unread.length} whose dose, or first or last day, is stated in words alone or not at all (${named}).` : null;
  const heard = unheard(record.medications?.sources);
  return spans.length > 0 || left
    ? { title: "Medicines dosed in units (insulin)", unit: "units", lines: [], spans, range: null, lane: false, left: together(left, heard) }
    : null;
}

const unheard = (sources: Parameters<typeof whoWasNotHeard>[0] | undefined): string | null => {
  const missing = whoWasNotHeard(sources ?? []);
  return missing ? `Not complete: ${missing}.` : null;
};

const together = (...said: (string | null)[]): string | null => said.filter((one) => one !== null).join(" ") || null;

const NO_CONTACT = new Set(["cancelled", "planned", "entered-in-error", "noshow"]);

/** Contacts that took place. */
export function contacts(record: Partial<ChartsFragment>): Pane | null {
  const every = record.contacts?.entries.nodes ?? [];
  const took = every.filter(({ enteredInError, status }) => !enteredInError && !NO_CONTACT.has(status ?? ""));
  const had = took.filter(({ when }) => when);
  const left = [
    [every.length - took.length, "planned, called off, missed or withdrawn"],
    [took.length - had.length, "without a day"],
    [(record.contacts?.totalCount ?? 0) - every.length, "older than the newest thousand"],
  ].flatMap(([number, why]) => (number ? [`${number} ${why}`] : []));
  const line = had.map((one) => ({
    at: seconds(one.when!.earliest),
    value: 0,
    bound: null,
    source: sources(one)[0]!,
    words: `${contact(one) ?? "Contact"}, ${time(one.when)}, ${sources(one).join(", ")}`,
  }));
  line.sort((a, b) => a.at - b.at);
  if (line.length === 0 && left.length === 0) return null;
  const unseen = together(left.length > 0 ? `Not drawn: ${left.join("; ")}.` : null, unheard(record.contacts?.sources));
  return { title: "Contacts", unit: "", lines: [line], spans: [], range: null, lane: true, left: unseen };
}

const REASON: Record<Series["excluded"][number]["reason"], string> = {
  ENTERED_IN_ERROR: "entered in error",
  CANCELLED: "cancelled",
  RELATED_CODE: "a related code, not the same measurement",
  OTHER_SPECIMEN: "another kind of sample",
  NO_VALUE: "no number stated",
  COMPARATOR: "a bound, not a number",
  OTHER_UNIT: "another unit",
  DISPUTED: "sources state different values",
  UNDATED: "no day stated",
};

export interface Line {
  id: string;
  when: string;
  at: number;
  value: string;
  sources: string;
  range: string;
  status: string;
  /** Why it is on no line. */
  left: string | null;
}

/** The same in words, newest first: the points, and what is on no line. */
export function table(series: Series): Line[] {
  const row = (one: Series["excluded"][number] | Series["points"][number], left: string | null): Line => ({
    id: one.entry.id,
    when: time(one.when),
    at: one.when ? seconds(one.when.earliest) : -Infinity,
    value: amount(one.original) ?? "no number",
    sources: sources(one.entry).join(", "),
    range: one.entry.referenceRange ?? "not stated",
    status: one.entry.status ?? "not stated",
    left,
  });
  const rows = [...series.points.map((one) => row(one, null)), ...series.excluded.map((one) => row(one, REASON[one.reason]))];
  return rows.sort((a, b) => a.at - b.at).reverse();
}

/** First, latest, change and slope as the gateway gives them. */
export function summary(series: Series): string {
  const [first, latest] = [series.points[0], series.points.at(-1)];
  const said = (number: string) => joined([number, written(series.unit)], " ");
  if (!first || !latest) return "No point.";
  const one = `${said(latest.value)} on ${time(latest.when)}`;
  if (first === latest) return `One point: ${one}.`;
  const signed = (amount: string) => (amount.startsWith("-") || Number(amount) === 0 ? amount : `+${amount}`);
  const change = series.change === null ? "no change is stated" : `change ${said(signed(series.change))}`;
  const slope =
    series.slope === null
      ? "no slope (fewer than three points, or less than 90 days)"
      : `slope ${said(signed(series.slope))} in 30 days, of what was measured`;
  return `${series.points.length} points. First ${said(first.value)} on ${time(first.when)}, latest ${one}; ${change}; ${slope}.`;
}

/** "1 left out: a related code, not the same measurement"; null where nothing was. */
export function leftOut(series: Series): string | null {
  if (series.excluded.length === 0) return null;
  const reasons = [...grouped(series.excluded, ({ reason }) => reason)].map(([reason, all]) =>
    all.length > 1 ? `${REASON[reason]} (${all.length})` : REASON[reason],
  );
  return `On no line: ${series.excluded.length}, ${reasons.join("; ")}.`;
}
