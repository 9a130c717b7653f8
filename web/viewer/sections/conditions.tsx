/// Problems and diagnoses.
import type { ConditionsFragment } from "../../types/viewer";
import { usePages } from "../client";
import page from "../documents/conditions.graphql?page";
import { Marks } from "../marks";
import { Conflicts, Said } from "../said";
import { Section } from "../section";
import { joined, time } from "../words";

type Condition = ConditionsFragment["conditions"]["entries"]["nodes"][number];

export function Conditions({ record }: { record: Partial<ConditionsFragment> }) {
  const [section, pages] = usePages<ConditionsFragment, "conditions">(page, "conditions", record.conditions);
  return (
    <Section title="Problems" id="problems" section={section} pages={pages}>
      <table>
        <caption class="hidden">Problems and diagnoses, newest first</caption>
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
            <tr key={entry.id} class={entry.enteredInError ? "withdrawn" : undefined}>
              <th scope="row">
                {named(entry)} <Marks entry={entry} />
                <Conflicts entry={entry} />
              </th>
              <td data-label="Status">
                {joined([entry.clinicalStatus, entry.verificationStatus, entry.severity?.display]) || "Not stated"}
              </td>
              <td data-label="Began">
                {joined([time(entry.onset), entry.abatement && `ended ${time(entry.abatement)}`])}
              </td>
              <td data-label="Who says so">
                <Said entry={entry} label={named(entry)} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}

/** A diagnosis that was ruled out, or a statement that there is none, never reads like one. */
function named({ code, polarity, verificationStatus }: Condition): string {
  const display = code?.display ?? "Not named";
  if (polarity === "ABSENT") return `Says there is none: “${display}”`;
  return verificationStatus === "refuted" ? `Ruled out: ${display}` : display;
}
