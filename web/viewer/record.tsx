/// One person's record: one query, whose parts are painted as they arrive.
import type { ConditionsFragment } from "../types/viewer";
import { useQuery } from "./client";
import common from "./documents/common.graphql?raw";
import conditions from "./documents/conditions.graphql?raw";
import record from "./documents/record.graphql?raw";
import { Conditions } from "./sections/conditions";

const DOCUMENT = [record, common, conditions].join("\n");

/** What the query brings, part by part: a section is left out until it has arrived. */
interface Parts {
  patient: ({ identifier: { value: string } } & Partial<ConditionsFragment>) | null;
}

export function Record({ number, leave }: { number: string; leave: () => void }) {
  const { data, error, waiting } = useQuery<Parts>(DOCUMENT, { identifier: { value: number } });
  const person = data?.patient;
  return (
    <main aria-busy={waiting}>
      <button onClick={leave}>Find another person</button>
      {error && <p role="alert">{error.message}</p>}
      {person && <Conditions number={number} record={person} />}
    </main>
  );
}
