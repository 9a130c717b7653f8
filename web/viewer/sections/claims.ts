import type { SaidFragment } from "../../types/viewer";
import { polar } from "../words";

type Claim = SaidFragment["conflicts"][number]["claims"][number];

/** Each claim once: "GP record: 5 mg; Hospital: 10 mg". */
export function claims(all: readonly Claim[]): string {
  const said = all.map(({ source, value }) => `${source.name}: ${value === null ? "does not state it" : polar(value)}`);
  return [...new Set(said)].join("; ");
}
