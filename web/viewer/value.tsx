/// Any value of a fact as it was stated, by its shape: concepts with their codes, times, amounts, people, lists.
import { joined, matter, period, polar, spoken, time } from "./words";

type Shape = { [field: string]: unknown };

const SYSTEMS: Record<string, string> = {
  "http://snomed.info/sct": "SNOMED CT",
  "https://dmd.nhs.uk": "dm+d",
  "http://loinc.org": "LOINC",
};

/** Not what a source says of the patient, or shown elsewhere. */
const ASIDE = new Set(["__typename", "id", "provenance", "folds"]);

/** Said only where it is so. Elsewhere false is a value. */
const MARKS = new Set(["patientReported", "enteredInError", "restricted"]);

/** Every field that is stated, named. */
export function Fields({ of }: { of: object }) {
  const stated = Object.entries(of).filter(
    ([name, value]) => !ASIDE.has(name) && isStated(value) && !(value === false && MARKS.has(name)),
  );
  return (
    <dl>
      {stated.map(([name, value]) => (
        <div key={name}>
          <dt>{matter(name)}</dt>
          <dd>
            <Value value={value} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function isStated(value: unknown): boolean {
  if (value === null || value === undefined || value === "") return false;
  return !Array.isArray(value) || value.length > 0;
}

export function Value({ value }: { value: unknown }) {
  if (Array.isArray(value)) {
    return value.length === 1 ? (
      <Value value={value[0]} />
    ) : (
      <>
        {value.map((one, place) => (
          <div key={place}>
            <Value value={one} />
          </div>
        ))}
      </>
    );
  }
  if (typeof value === "boolean") return <>{value ? "Yes" : "No"}</>;
  if (value === null || value === undefined) return <>Not stated</>;
  return typeof value === "object" ? <Structured value={value as Shape} /> : <>{polar(String(value))}</>;
}

function Structured({ value }: { value: Shape }) {
  if ("codings" in value) return <Concept value={value} />;
  if ("precision" in value) return <Time value={value} />;
  if ("given" in value) return <>{spoken(value as unknown as Parameters<typeof spoken>[0])}</>;
  if ("start" in value) return <>{period(value as unknown as Parameters<typeof period>[0]) ?? "Not stated"}</>;
  if ("lines" in value)
    return (
      <>
        {joined([value.text as string, ...(value.lines as string[]), value.city as string, value.postalCode as string])}
      </>
    );
  if ("unit" in value) return <>{quantity(value as unknown as Amount)}</>;
  if ("role" in value) return <Party value={value} />;
  if ("value" in value) return <Contact value={value} />;
  return <Fields of={value} />;
}

interface Amount {
  value: string | null;
  comparator: string | null;
  unit: string | null;
}

/** "< 5 mmol/L": digits as they were written. */
export function quantity({ value, comparator, unit }: Amount): string {
  return joined([comparator, value ?? "no value", unit], " ");
}

function Concept({ value }: { value: Shape }) {
  const codings = value.codings as { system: string | null; code: string | null; display: string | null }[];
  return (
    <>
      {String(value.text ?? value.display)}
      {codings.map(({ system, code, display }) => (
        <small key={`${system}${code}`}>
          {joined([SYSTEMS[system ?? ""] ?? system ?? "no code system", code], " ")}
          {display && ` “${display}”`}
        </small>
      ))}
    </>
  );
}

function Time({ value }: { value: Shape }) {
  const shown = time(value as { value: string });
  const assumed = value.zoneAssumed ? `time zone not stated, taken as ${String(value.zone)}` : null;
  const stated = value.text !== value.value && value.text !== shown ? `stated as “${String(value.text)}”` : null;
  return (
    <>
      {shown}
      {(stated || assumed) && <small>{joined([stated, assumed])}</small>}
    </>
  );
}

function Party({ value }: { value: Shape }) {
  const ways = (value.telecom as Shape[] | undefined) ?? [];
  return (
    <>
      {joined([value.name as string, value.role as string, value.organization as string]) || "Not named"}
      {ways.map((way) => (
        <div key={String(way.value)}>
          <Contact value={way} />
        </div>
      ))}
    </>
  );
}

/** An identifier, or a way to reach somebody: a telephone number can be rung. */
export function Contact({ value }: { value: Shape }) {
  const about = joined([(value.label ?? value.type) as string, value.assigner as string, value.use as string]);
  const text = String(value.value);
  return (
    <>
      {value.system === "phone" ? <a href={`tel:${text.replace(/[^\d+]/g, "")}`}>{text}</a> : text}
      {about && ` (${about})`}
    </>
  );
}
