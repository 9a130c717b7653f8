/// Which medicines belong together on screen: by the gateway's own proposals, conflicts and events, or by the same code.
/// Nothing is merged by it: every entry stays what it is, said by whom it was said.
import type { EventFragment, MedicinesFragment } from "../../types/viewer";
import { grouped } from "./grouped";
import { MEDICINE } from "./what";

export type Medicine = MedicinesFragment["medications"]["entries"]["nodes"][number];

export interface Course {
  id: string;
  /** Every name it goes by, the newest current course's first. */
  names: string[];
  /** Courses and orders first, current before ended, then newest first. */
  members: Medicine[];
  standing: "current" | "loose" | "ended";
  lastIssued: EventFragment | null;
  lastDispensed: EventFragment | null;
  lastGiven: EventFragment | null;
}

const OVER = new Set(["completed", "stopped", "cancelled", "not-done", "entered-in-error"]);

export const isCourse = ({ kind }: Medicine) => kind === "STATEMENT" || kind === "REQUEST";
/** A status that nobody states is no end. */
export const isOver = ({ status, enteredInError }: Pick<Medicine, "status" | "enteredInError">) => enteredInError || OVER.has(status ?? "");
export const kindOf = ({ kind, status }: Medicine) =>
  status === "not-done" ? `${MEDICINE[kind].replace(" given", "")}, not done` : MEDICINE[kind];

/** Every medicine in exactly one course: current ones first, then what belongs to no course, then what has ended. */
export function courses(medicines: readonly Medicine[]): Course[] {
  const together = new Together();
  const known = new Set(medicines.map(({ id }) => id));
  for (const one of medicines) {
    const events = [one.course?.lastIssued, one.course?.lastDispensed, one.course?.lastGiven];
    const others = [...one.related, ...one.conflicts.flatMap(({ withIds }) => withIds), ...events.map((e) => e?.entryId)];
    for (const other of others) if (other && known.has(other)) together.join(one.id, other);
    for (const { system, code } of one.code?.codings ?? []) if (code) together.join(one.id, `${system}|${code}`);
  }
  const groups = grouped(medicines, ({ id }) => together.of(id));
  const order = ["current", "loose", "ended"];
  return [...groups.values()].map(course).sort((a, b) => order.indexOf(a.standing) - order.indexOf(b.standing));
}

function course(group: Medicine[]): Course {
  const rank = (one: Medicine) => (isCourse(one) ? 0 : 2) + (isOver(one) ? 1 : 0);
  const members = group.toSorted((a, b) => rank(a) - rank(b));
  const names = members.map(({ code, brand }) => code?.display ?? brand).filter((name) => name !== undefined && name !== null);
  const live = members.some((one) => isCourse(one) && !isOver(one));
  const had = members.some((one) => isCourse(one));
  const last = (which: "lastIssued" | "lastDispensed" | "lastGiven", kind: Medicine["kind"] | null) =>
    latest([...members.map((one) => one.course?.[which]), ...members.map((one) => (one.kind === kind ? event(one) : null))]);
  return {
    id: members[0]!.id,
    names: [...new Set(names)],
    members,
    standing: live ? "current" : had ? "ended" : "loose",
    lastIssued: last("lastIssued", null),
    lastDispensed: last("lastDispensed", "DISPENSE"),
    lastGiven: last("lastGiven", "ADMINISTRATION"),
  };
}

/** A supply or a dose that took place; one that was not done is none. */
function event(one: Medicine): EventFragment | null {
  const done = !one.enteredInError && (one.status === "completed" || one.status === "in-progress");
  return done && one.when ? { when: one.when, source: one.provenance[0]!.source, entryId: one.id } : null;
}

function latest(events: (EventFragment | null | undefined)[]): EventFragment | null {
  const at = (one: EventFragment) => Date.parse(one.when.earliest);
  return events.reduce<EventFragment | null>((best, one) => (one && (!best || at(one) > at(best)) ? one : best), null);
}

/** Disjoint sets. */
class Together {
  private above = new Map<string, string>();

  of(id: string): string {
    let top = id;
    for (let next = this.above.get(top); next !== undefined; next = this.above.get(top)) top = next;
    if (top !== id) this.above.set(id, top);
    return top;
  }

  join(one: string, other: string): void {
    const [a, b] = [this.of(one), this.of(other)];
    if (a !== b) this.above.set(a, b);
  }
}
