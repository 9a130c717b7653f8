/// What must be seen beside an entry before it is believed: withdrawn, the person's own word, cautions.
import type { CautionCode } from "../types/schema";
import type { SaidFragment } from "../types/viewer";

const CAUTION: Record<CautionCode, string> = {
  DEGRADED: "Code lost in a transfer",
  STALE: "Called active, end date past",
  UNKNOWN_MODIFIER: "May mean something else: open",
  CHARSET: "Letters may be wrong",
  UNVERIFIED: "Not checked yet",
};

export function Marks({ entry }: { entry: Pick<SaidFragment, "enteredInError" | "patientReported" | "cautions"> }) {
  return (
    <>
      {entry.enteredInError && <span class="tag red">Entered in error</span>}
      {entry.patientReported && <span class="tag grey">Patient’s own word</span>}
      {entry.cautions.map(({ code }) => (
        <span class="tag yellow" key={code}>
          {CAUTION[code]}
        </span>
      ))}
    </>
  );
}
