/// What must be seen beside an entry before it is believed: withdrawn, the person's own word, cautions, and where its own
/// sources differ.
import type { CautionCode } from "../types/sherwood";
import type { SaidFragment } from "../types/viewer";
import { joined, sentence } from "./words";

const CAUTION: Record<CautionCode, string> = {
  DEGRADED: "Code lost in a transfer",
  STALE: "Called active, end date past",
  UNKNOWN_MODIFIER: "May mean something else: open",
  CHARSET: "Letters may be wrong",
  UNVERIFIED: "Not checked yet",
};

interface Marked extends Pick<SaidFragment, "enteredInError" | "patientReported" | "cautions"> {
  facts?: readonly object[];
}

export function Marks({ entry }: { entry: Marked }) {
  const differ = differing(entry.facts ?? []);
  return (
    <>
      {entry.enteredInError && <span class="tag red">Entered in error</span>}
      {entry.patientReported && <span class="tag grey">Patient’s own word</span>}
      {entry.cautions.map(({ code }) => (
        <span class="tag yellow" key={code}>
          {CAUTION[code]}
        </span>
      ))}
      {differ.length > 0 && <span class="tag yellow">Its sources differ: {differ.join(", ")}</span>}
    </>
  );
}

/** Of each version its own, by nature. */
const OWN = new Set(["__typename", "id", "provenance", "identifiers", "notes", "replaces", "cautions", "code"]);

/** The fields that two sources of one entry both state, and not the same; a coded term may be worded as each likes. */
export function differing(facts: readonly object[]): string[] {
  const fields = Object.keys(facts[0] ?? {}).filter((name) => !OWN.has(name));
  const values = (name: string) =>
    facts.map((fact) => plain((fact as { [field: string]: unknown })[name])).filter((said) => said !== "");
  return fields.filter((name) => new Set(values(name)).size > 1).map((name) => sentence(name).toLowerCase());
}

/** What is compared: of a concept its words, of a time its value, of a list each of them. */
function plain(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "object") return String(value).toLowerCase();
  if (Array.isArray(value)) return value.map(plain).sort().join("; ");
  const shape = value as { [field: string]: unknown };
  if ("codings" in shape) return plain(shape.display);
  if ("precision" in shape) return plain(shape.value);
  if ("unit" in shape && shape.value != null && Number.isFinite(Number(shape.value)))
    return joined([plain(shape.comparator), String(Number(shape.value)), plain(shape.unit ?? shape.code).replace(/s$/, "")], " ");
  return Object.values(shape).map(plain).join(" ").trim();
}
