/// The endpoint as this page uses it: one POST to /graphql, the answer in parts as they arrive.
import { Client, type CombinedError, fetchExchange, type OperationResult } from "@urql/core";
import { useEffect, useState } from "preact/hooks";

/** Kept in memory alone: on a shared workstation nothing must outlive the page. */
let token = "";

export function useToken(value: string): void {
  token = value.trim();
}

const client = new Client({
  url: "/graphql",
  preferGetMethod: false, // a person's number does not belong in a URL
  exchanges: [fetchExchange], // no cache: the gateway knows how old an answer is, this page would not
  fetchOptions: () => (token ? { headers: { Authorization: `Bearer ${token}` } } : {}),
});

export interface Answer<Data> {
  /** What has arrived so far; sections that have not are left out. */
  data?: Data;
  error?: CombinedError;
  /** Whether parts are still to come. */
  waiting: boolean;
}

/** Asks when the document or a variable changes, and again when `turn` does; null asks nothing. */
export function useQuery<Data>(document: string, variables: object | null, turn = 0): Answer<Data> {
  const [answer, setAnswer] = useState<Answer<Data>>({ waiting: variables !== null });
  const asked = JSON.stringify(variables);
  useEffect(() => {
    if (variables === null) return;
    setAnswer({ waiting: true });
    const { unsubscribe } = client
      .query(document, variables)
      .subscribe((result: OperationResult<Data>) =>
        setAnswer({ data: result.data, error: result.error, waiting: result.hasNext }),
      );
    return unsubscribe;
  }, [document, asked, turn]);
  return answer;
}
