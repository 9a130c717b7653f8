// A ward's own subgraph, on a free port: who lies in which bed. Its schema is the one that docs/how-to/federation.md shows, and a type that
// every subgraph with connections has.
import { createServer } from "node:http";
import { buildASTSchema, parse } from "graphql";
import { createHandler } from "graphql-http/lib/use/http";

const SYSTEM = "https://fhir.nhs.uk/Id/nhs-number";
const PAGES = `
  extend type Bed { page: PageInfo! }
  type PageInfo @federation__shareable { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
`;
const ASKED_BY_ROUTERS = `
  scalar _Any
  union _Entity = PatientRecord
  extend type Query { _entities(representations: [_Any!]!): [_Entity]! }
`;

/** The subgraph with these people in its beds, the first in bed 1. */
export async function ward(sdl, people) {
  const record = (value) => ({
    __typename: "PatientRecord",
    identifier: { system: SYSTEM, value },
    bed: `bed ${people.indexOf(value) + 1}`,
  });
  const page = { hasNextPage: false, hasPreviousPage: false };
  const rootValue = {
    ward: () => people.map((value) => ({ name: record(value).bed, lies: record(value), page })),
    _entities: ({ representations }) => representations.map(({ identifier }) => record(identifier.value)),
  };
  const schema = buildASTSchema(parse(sdl + PAGES + ASKED_BY_ROUTERS), { assumeValidSDL: true });
  const server = createServer(createHandler({ schema, rootValue }));
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const url = `http://127.0.0.1:${server.address().port}/`;
  return { url, typeDefs: parse(sdl + PAGES), close: () => server.close() };
}
