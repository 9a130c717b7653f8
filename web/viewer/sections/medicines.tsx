/// Medicines side by side: what each source says of the same medicine, and when it was last issued, dispensed and given.
/// Authorised is not taken, and neither is supplied: only a dose given or the patient's own word answers "when?".
import { useContext, useMemo, useState } from "preact/hooks";
import type { EventFragment, MedicinesFragment } from "../../types/viewer";
import { Asked } from "../client";
import { Marks } from "../marks";
import { Pager, useSlices } from "../pager";
import { Said } from "../said";
import { Section } from "../section";
import { ago, count, joined, sentence, time } from "../words";
import { amount } from "./amounts";
import { claims } from "./claims";
import { type Course, type Medicine, courses, isCourse, isOver, kindOf } from "./courses";
import { grouped } from "./grouped";
import "./medicines.css";
import "./part.css";

const SIZE = 12;
const IN_A_COLUMN = 2;

const STANDING = {
  current: ["Current", "Authorised, ordered or said to be taken. That does not say that it was taken."],
  loose: ["Supplied or given alone", "No course or order of it was found in the sources that answered."],
  ended: ["No longer current", "Every source that has it calls it stopped, completed or cancelled."],
} as const;

export function Medicines({ record }: { record: Partial<MedicinesFragment> }) {
  const section = record.medications;
  const all = useMemo(() => courses(section?.entries.nodes ?? []), [section]);
  const here = section?.entries.nodes.length ?? 0;
  const counts = (["current", "loose", "ended"] as const)
    .map((standing) => `${STANDING[standing][0].toLowerCase()}: ${all.filter((one) => one.standing === standing).length}`)
    .join(", ");
  const [shown, pages] = useSlices(all, SIZE);
  return (
    <Section title="Medicines" id="medicines" section={section}>
      {all.length > 0 && (
        <p>
          {here} entries of {all.length} medicines ({counts}).
          {section && section.totalCount > here && ` These are the newest: ${section.totalCount - here} older ones are not here.`}
        </p>
      )}
      <Shown courses={shown} />
      <Pager title="Medicines" pages={pages} shown={shown.length} total={all.length} />
    </Section>
  );
}

function Shown({ courses: shown }: { courses: readonly Course[] }) {
  const { now } = useContext(Asked);
  const groups = [...grouped(shown, ({ standing }) => standing)];
  return (
    <>
      {groups.map(([standing, group]) => (
        <div key={standing}>
          <h3>{STANDING[standing][0]}</h3>
          <p class="quiet">{STANDING[standing][1]}</p>
          <ul role="list" class="courses">
            {group.map((one) => (
              <Row key={one.id} course={one} now={now} />
            ))}
          </ul>
        </div>
      ))}
    </>
  );
}

function Row({ course, now }: { course: Course; now: Date }) {
  const [name = "A medicine, not named", ...others] = course.names;
  const sources = [...new Map(course.members.flatMap((one) => one.provenance).map(({ source }) => [source.id, source])).values()];
  return (
    <li class="course">
      <h4>{name}</h4>
      {others.length > 0 && <p class="quiet">Seen with: {others.join("; ")}</p>}
      <Last course={course} now={now} />
      <Disagreement members={course.members} />
      <div class="columns">
        {sources.map((source) => (
          <Column key={source.id} course={course} source={source} />
        ))}
      </div>
      <Every course={course} name={name} />
    </li>
  );
}

function Last({ course, now }: { course: Course; now: Date }) {
  const dose = course.members.find(({ id }) => id === course.lastGiven?.entryId);
  const word = course.members.find((one) => one.patientReported && !one.enteredInError);
  return (
    <dl class="last">
      <div>
        <dt>Last given</dt>
        <dd>
          {course.lastGiven ? (
            <>
              <strong>{at(course.lastGiven, now)}</strong>
              {dose && `: ${joined([amount(dose.dose), dose.code?.display])}`} ({course.lastGiven.source.name})
            </>
          ) : (
            "No dose given was found in the sources that answered"
          )}
        </dd>
      </div>
      {word?.when && (
        <div>
          <dt>By the patient’s own word</dt>
          <dd>{at({ when: word.when }, now)} ({word.provenance[0]!.source.name})</dd>
        </div>
      )}
      <div>
        <dt>Last dispensed</dt>
        <dd>{course.lastDispensed ? `${at(course.lastDispensed, now)} (${course.lastDispensed.source.name})` : "None found"}</dd>
      </div>
      <div>
        <dt>Last issued</dt>
        <dd>{course.lastIssued ? `${at(course.lastIssued, now)} (${course.lastIssued.source.name})` : "None found"}</dd>
      </div>
    </dl>
  );
}

/** How long ago, where the hour is stated. */
function at({ when }: Pick<EventFragment, "when">, now: Date): string {
  return when.value.includes("T") ? `${time(when)} (${ago(when.earliest, now)})` : time(when);
}

/** Each disagreement once, with every claim and who makes it. */
function Disagreement({ members }: { members: readonly Medicine[] }) {
  const fields = grouped(members.flatMap(({ conflicts }) => conflicts), ({ field }) => field);
  if (fields.size === 0) return null;
  return (
    <div class="conflict">
      <p>
        <strong>Sources disagree</strong>
      </p>
      <dl>
        {[...fields].map(([field, conflicts]) => (
          <div key={field}>
            <dt>{sentence(field)}</dt>
            <dd>{claims(conflicts.flatMap((conflict) => conflict.claims))}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

/** What one source says of it: its own version of each course and order, and how much it supplied and gave. */
function Column({ course, source }: { course: Course; source: { id: string; name: string } }) {
  const mine = course.members.filter((one) => one.provenance.some((from) => from.source.id === source.id));
  const orders = mine.filter(isCourse).flatMap((one) =>
    one.facts.flatMap((fact, place) =>
      fact.provenance.source.id === source.id ? [{ one, fact, recorded: one.provenance[place]!.recorded }] : [],
    ),
  );
  const rest = [...grouped(mine.filter((one) => !isCourse(one)), kindOf)];
  return (
    <div class="column">
      <p class="by">{source.name}</p>
      {orders.slice(0, IN_A_COLUMN).map((version) => (
        <Version key={version.fact.id} {...version} named={course.names.length > 1} />
      ))}
      {orders.length > IN_A_COLUMN && <p>and {count(orders.length - IN_A_COLUMN, "more course or order", "more courses or orders")}</p>}
      {rest.map(([kind, entries]) => (
        <p key={kind}>
          <span class="tag">{kind}</span> {entries.length === 1 ? time(entries[0]!.when) : `${entries.length}, latest ${time(entries[0]!.when)}`}
        </p>
      ))}
    </div>
  );
}

interface OwnVersion {
  one: Medicine;
  /** What one source says of it. */
  fact: Medicine["facts"][number];
  /** When that source wrote it down, and no other's date; it may state none. */
  recorded: Medicine["provenance"][number]["recorded"];
  named: boolean;
}

function Version({ one, fact, recorded, named }: OwnVersion) {
  const often = [amount(fact.dose), fact.frequency].filter(Boolean).join(" ");
  const name = fact.code?.display ?? fact.brand;
  return (
    <div class={fact.enteredInError ? "withdrawn" : undefined}>
      <p>
        <span class="tag">{kindOf(one)}</span>{" "}
        <span class={isOver(fact) ? "tag red" : "tag"}>{fact.status ?? "status not stated"}</span>{" "}
        <Marks entry={one} />
      </p>
      {named && name && <p>{name}</p>}
      <p>
        {often && <strong>{often}</strong>} {fact.dosage}
        {!often && !fact.dosage && "No dose stated"}
      </p>
      <p class="quiet">
        {fact.effective?.start ? `From ${time(fact.effective.start)}` : recorded ? `Recorded ${time(recorded)}` : "No date stated"}
        {fact.effective?.end && ` to ${time(fact.effective.end)}`}
      </p>
    </div>
  );
}

/** Every entry behind it, each open to who said it; made when asked for. */
function Every({ course, name }: { course: Course; name: string }) {
  const [open, setOpen] = useState(false);
  const [shown, pages] = useSlices(course.members, 10);
  return (
    <details name="rows" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        {count(course.members.length, "entry", "entries")}
        <span class="hidden"> of {name}</span>, and who said each
      </summary>
      {open && (
        <>
          <ul role="list" class="rows">
            {shown.map((one) => (
              <li key={one.id} class={one.enteredInError ? "withdrawn" : undefined}>
                <p>
                  <span class="tag">{kindOf(one)}</span> <Marks entry={one} />{" "}
                  {one.code?.display ?? one.brand}, {time(one.when)}: {joined([amount(one.dose), one.dosage, one.status])}
                </p>
                <Said entry={one} label={one.code?.display ?? name} />
              </li>
            ))}
          </ul>
          <Pager title={`Entries of ${name}`} pages={pages} shown={shown.length} total={course.members.length} />
        </>
      )}
    </details>
  );
}
