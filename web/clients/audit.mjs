// The audit of the package graphql-http: one line for each of its checks, as JSON.
import { auditServer } from "graphql-http";

const [url, token] = process.argv.slice(2);
const authorized = (input, init) =>
  fetch(input, { ...init, headers: { ...init?.headers, authorization: `Bearer ${token}` } });

for (const { id, name, status, reason } of await auditServer({ url, fetchFn: authorized })) {
  console.log(JSON.stringify({ id, name, status, reason }));
}
