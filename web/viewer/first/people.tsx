/// Who to ring, and how the person lives.
import type { KinFragment, LivingFragment } from "../../types/viewer";
import { Marks } from "../marks";
import { Said } from "../said";
import { NotYet, Silence } from "../section";
import { Contact, quantity } from "../value";
import { count, joined, spoken, time } from "../words";

type Person = KinFragment["kin"]["entries"]["nodes"][number];
type Habit = LivingFragment["living"]["entries"]["nodes"][number];

export function NextOfKin({ record }: { record: Partial<KinFragment> }) {
  const section = record.kin;
  const beyond = section ? section.totalCount - section.entries.nodes.length : 0;
  return (
    <section id="next-of-kin" class="card" aria-labelledby="next-of-kin-title">
      <h2 id="next-of-kin-title">Next of kin</h2>
      {section === undefined ? <NotYet /> : <Silence section={section} />}
      {alike(section?.entries.nodes ?? []).map((people) => (
        <div key={people[0]!.id}>
          <p>
            <strong>{spoken(people[0]!.names[0])}</strong>, {relationship(people)}
            {people.every(({ active }) => active === false) && <span class="tag grey">No longer active</span>}
            {ways(people).map((way) => (
              <span key={way.value}>
                {" "}
                <Contact value={{ ...way, use: null }} />
              </span>
            ))}
          </p>
          <p class="quiet">
            {people.map((person) => (
              <span key={person.id} class={person.enteredInError ? "withdrawn" : undefined}>
                <Marks entry={person} />
                <Said entry={person} label={spoken(person.names[0])} />{" "}
              </span>
            ))}
          </p>
        </div>
      ))}
      {beyond > 0 && <p class="silence">{count(beyond, "more person", "more people")} below, under Related people.</p>}
    </section>
  );
}

/** Entries of one name and one number shown under one name; each keeps its own sources. Nobody is merged here. */
function alike(people: readonly Person[]): Person[][] {
  const groups = new Map<string, Person[]>();
  for (const person of people) {
    const name = person.names[0];
    const words = name?.family ? `${name.given[0] ?? ""} ${name.family}` : spoken(name);
    const key = person.enteredInError
      ? person.id
      : `${words.toLowerCase()} ${person.telecom
          .map(({ value }) => value)
          .sort()
          .join()}`;
    groups.set(key, [...(groups.get(key) ?? []), person]);
  }
  return [...groups.values()];
}

function relationship(people: Person[]): string {
  const all = people.flatMap(({ relationships }) => relationships.map(({ display }) => display.toLowerCase()));
  return [...new Set(all)].join(", ") || "relationship not stated";
}

function ways(people: Person[]): Person["telecom"] {
  const all = people.flatMap(({ telecom }) => telecom);
  return all.filter(({ value }, place) => all.findIndex((other) => other.value === value) === place);
}

const SHOWN = 4;

/** The newest few, living alone always among them. */
export function Living({ record }: { record: Partial<LivingFragment> }) {
  const section = record.living;
  const all = section?.entries.nodes ?? [];
  const alone = all.filter((habit) => /\b(lives?|living) alone\b/i.test(`${habit.code?.display} ${habit.valueString}`));
  const shown = [...new Set([...alone, ...all])].slice(0, SHOWN);
  return (
    <section id="living" class="card" aria-labelledby="living-title">
      <h2 id="living-title">How they live</h2>
      {section === undefined ? <NotYet /> : <Silence section={section} />}
      {shown.map((habit) => (
        <p key={habit.id} class={habit.enteredInError ? "withdrawn" : undefined}>
          <strong>{habit.code?.display ?? "Not named"}</strong> <Marks entry={habit} />
          {joined([stated(habit), time(habit.when)])} <Said entry={habit} label={habit.code?.display ?? "this"} />
        </p>
      ))}
      {section && section.totalCount > shown.length && (
        <p class="quiet">
          {count(section.totalCount - shown.length, "more entry", "more entries")} below, under Social history.
        </p>
      )}
    </section>
  );
}

/** What a social history entry states, in one string. */
export function stated(
  habit: Pick<Habit, "valueCodeableConcept" | "valueString" | "valueQuantity" | "valueBoolean" | "valueInteger">,
): string {
  const { valueBoolean: so, valueInteger: whole } = habit;
  return joined([
    habit.valueCodeableConcept?.display,
    habit.valueString,
    habit.valueQuantity && quantity(habit.valueQuantity),
    so === null ? null : so ? "yes" : "no",
    whole === null ? null : String(whole),
  ]);
}
