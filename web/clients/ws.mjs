// One operation through graphql-ws: a line of JSON for each result, and one for how it ended.
import { createClient } from "graphql-ws";
import { WebSocket } from "ws"; // as a browser's; Node has its own from version 22

const [url, token, , query] = process.argv.slice(2);
const client = createClient({
  url: url.replace(/^http/, "ws"),
  webSocketImpl: WebSocket,
  retryAttempts: 0,
  connectionParams: { Authorization: `Bearer ${token}` },
  on: { closed: ({ code, reason }) => console.log(JSON.stringify({ closed: code, reason })) },
});

try {
  for await (const result of client.iterate({ query })) console.log(JSON.stringify(result));
  console.log(JSON.stringify({ complete: true }));
} catch (problem) {
  console.log(JSON.stringify({ errors: Array.isArray(problem) ? problem : undefined, code: problem.code }));
}
await client.dispose();
