// One query through graphql-sse: a line of JSON for each event, and one when the server says that it was the last.
import { createClient } from "graphql-sse";

const [url, token, , query] = process.argv.slice(2);
const client = createClient({ url, retryAttempts: 0, headers: { authorization: `Bearer ${token}` } });

for await (const result of client.iterate({ query })) console.log(JSON.stringify(result));
console.log(JSON.stringify({ complete: true }));
