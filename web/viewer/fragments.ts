/// The fragments that every section shares. A GraphQL document may carry none that it does not use (GraphQL, 5.5.1.4).
import common from "./documents/common.graphql?raw";

const SHARED = new Map([...common.matchAll(/^fragment (\w+) [^]*?^}/gm)].map(([text, name]) => [name!, text]));

/** The document, with those shared fragments that it needs, directly or through one another. */
export function complete(document: string): string {
  const needed = new Set<string>();
  const read = (text: string) => {
    for (const [, name] of text.matchAll(/\.\.\.(\w+)/g)) {
      const shared = SHARED.get(name!);
      if (shared === undefined || needed.has(shared)) continue;
      needed.add(shared);
      read(shared);
    }
  };
  read(document);
  return [document, ...needed].join("\n");
}
