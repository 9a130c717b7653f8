// One deferred query through Apollo Client: a line of JSON for each state of the answer that a component would render.
import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client";
import { Defer20220824Handler, GraphQL17Alpha9Handler } from "@apollo/client/incremental";

const [url, token, format, query] = process.argv.slice(2);
const Handler = format === "2022" ? Defer20220824Handler : GraphQL17Alpha9Handler;
const client = new ApolloClient({
  link: new HttpLink({ uri: url, headers: { authorization: `Bearer ${token}` } }),
  cache: new InMemoryCache(),
  incrementalHandler: new Handler(),
});

client.watchQuery({ query: gql(query) }).subscribe(({ data, dataState, error }) => {
  if (dataState === "empty" && !error) return;
  console.log(JSON.stringify({ data, more: dataState === "streaming", error: error?.message }));
  if (dataState !== "streaming") client.stop();
});
