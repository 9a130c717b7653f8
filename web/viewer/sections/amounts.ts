/// Amounts and values as their sources wrote them: digits, comparator and unit unchanged.
import type { AmountFragment, ResultFragment } from "../../types/viewer";
import { time } from "../words";

export function amount(quantity: AmountFragment | null | undefined): string | null {
  if (!quantity || quantity.value === null) return null;
  return [`${quantity.comparator ?? ""}${quantity.value}`, quantity.unit ?? quantity.code].filter(Boolean).join(" ");
}

/** UCUM codes that nobody writes so; the lines of `outcomes` are in no others. */
const WRITTEN: Record<string, string> = { "mm[Hg]": "mmHg", "10*9/L": "× 10⁹/L", "umol/L": "µmol/L", "{score}": "" };

/** A unit of measure by its code (UCUM), as it is written. Values that sources wrote keep their own. */
export function written(unit: string | null): string {
  return unit === null ? "(no unit)" : (WRITTEN[unit] ?? unit);
}

type Values = Pick<
  ResultFragment,
  | "valueQuantity" | "valueString" | "valueCodeableConcept" | "dataAbsentReason"
  | "valueBoolean" | "valueInteger" | "valueRange" | "valueRatio" | "valuePeriod"
>;

/** The value of a result in words; 0 and false are values, and why there is none is said. */
export function value(result: Partial<Values>): string | null {
  const { valueRange: range, valueRatio: ratio, valuePeriod: period } = result;
  const parts = [
    amount(result.valueQuantity),
    result.valueCodeableConcept?.display,
    result.valueString,
    typeof result.valueBoolean === "boolean" ? (result.valueBoolean ? "yes" : "no") : null,
    result.valueInteger?.toString(),
    range && `${amount(range.low) ?? "?"} to ${amount(range.high) ?? "?"}`,
    ratio && `${amount(ratio.numerator) ?? "?"} : ${amount(ratio.denominator) ?? "?"}`,
    period && `${time(period.start)} to ${time(period.end)}`,
    result.dataAbsentReason && `no value: ${result.dataAbsentReason.display}`,
  ];
  return parts.filter((part) => part !== null && part !== undefined && part !== "").join("; ") || null;
}
