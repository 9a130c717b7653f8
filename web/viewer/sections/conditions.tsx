/// Problems and diagnoses.
import type { ConditionsFragment } from "../../types/viewer";
import { Said } from "../said";
import { Section } from "../section";
import { time } from "../words";

export function Conditions({ record }: { number: string; record: Partial<ConditionsFragment> }) {
  const section = record.conditions;
  return (
    <Section title="Problems" id="problems" section={section}>
      <table>
        <thead>
          <tr>
            <th scope="col">Problem</th>
            <th scope="col">Status</th>
            <th scope="col">Began</th>
            <th scope="col">Who says so</th>
          </tr>
        </thead>
        <tbody>
          {section?.entries.nodes.map((entry) => (
            <tr key={entry.id}>
              <th scope="row">{entry.code?.display ?? "Not named"}</th>
              <td>{[entry.clinicalStatus, entry.verificationStatus].filter(Boolean).join(", ") || "not stated"}</td>
              <td>{time(entry.onset)}</td>
              <td>
                <Said entry={entry} label={entry.code?.display ?? "this problem"} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}
