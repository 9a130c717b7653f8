// One deferred query through urql: a line of JSON for each state of the answer that a component would render.
import { Client, fetchExchange } from "@urql/core";

const [url, token, , query] = process.argv.slice(2);
const client = new Client({
  url,
  exchanges: [fetchExchange],
  preferGetMethod: false,
  fetchOptions: { headers: { authorization: `Bearer ${token}` } },
});

client.query(query, {}).subscribe(({ data, error, hasNext }) => {
  console.log(JSON.stringify({ data, more: hasNext, error: error?.message }));
});
