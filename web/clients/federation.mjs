// Sherwood and a ward's subgraph as one graph: composed by @apollo/composition, asked through @apollo/gateway. A line of
// JSON for what composing said, and one for the answer, with how often each subgraph was asked for it.
import { composeServices } from "@apollo/composition";
import { ApolloGateway, RemoteGraphQLDataSource } from "@apollo/gateway";
import { parse } from "graphql";
import { ward } from "./ward.mjs";

const [url, token, extension, people, query] = process.argv.slice(2);
const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
const asked = await fetch(url, { method: "POST", headers, body: `{"query":"{ _service { sdl } }"}` });
const { sdl } = (await asked.json()).data._service;
const beds = await ward(extension, people.split(","));

const { supergraphSdl, errors } = composeServices([
  { name: "sherwood", url, typeDefs: parse(sdl) },
  { name: "ward", ...beds },
]);
console.log(JSON.stringify({ errors: errors?.map(String) ?? [] }));

if (supergraphSdl) {
  const count = { sherwood: 0, ward: 0 };
  class Counted extends RemoteGraphQLDataSource {
    willSendRequest({ request }) {
      count[this.name] += 1;
      if (this.name === "sherwood") request.http.headers.set("authorization", headers.authorization);
    }
  }
  const gateway = new ApolloGateway({
    supergraphSdl,
    buildService: ({ name, url }) => Object.assign(new Counted({ url }), { name }),
    logger: { debug() {}, info() {}, warn: console.error, error: console.error },
  });
  const { schema, executor } = await gateway.load();
  const answer = await executor({
    request: { query, variables: {} },
    document: parse(query),
    operationName: null,
    queryHash: "the only one",
    schema,
    context: {},
    logger: console,
    metrics: {},
    cache: undefined,
  });
  console.log(JSON.stringify({ data: answer.data, errors: answer.errors ?? [], asked: count }));
  await gateway.stop();
}
beds.close();
