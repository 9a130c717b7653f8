/// A file of viewer/documents as a module: its operation, with the fragments that it needs from whichever file. Of a file
/// that holds the fragment of a section, `?page` is the question for one page of it. The build writes all of them into
/// `documents.json`, by their hash, as they are sent: what a gateway that runs trusted documents only lets the viewer ask.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createRequest, stringifyDocument } from "@urql/core";
import { type DefinitionNode, Kind, parse, print, separateOperations, stripIgnoredCharacters } from "graphql";
import type { Plugin } from "vite";

const FOLDER = join(import.meta.dirname, "viewer/documents");

export function documents(): Plugin {
  const sent = new Map<string, string>();
  return {
    name: "documents",
    load(id) {
      const [path, query] = id.split("?");
      if (!path!.startsWith(FOLDER) || query === "raw") return null;
      const files = readdirSync(FOLDER).map((file) => join(FOLDER, file));
      for (const file of files) this.addWatchFile(file);
      const text = complete(query === "page" ? page(path!) : read(path!), files.flatMap(read));
      const asked = stringifyDocument(createRequest(text, {}).query);
      sent.set(createHash("sha256").update(asked).digest("hex"), asked);
      return { code: `export default ${JSON.stringify(text)};`, moduleType: "js" };
    },
    generateBundle() {
      const source = JSON.stringify(Object.fromEntries([...sent].sort()), null, 1);
      this.emitFile({ type: "asset", fileName: "documents.json", source });
    },
  };
}

const read = (path: string) => parse(readFileSync(path, "utf-8")).definitions;

/** The section of the record whose fragment this file holds, from a cursor on. */
function page(path: string): readonly DefinitionNode[] {
  const names = read(path).flatMap((one) => (one.kind === Kind.FRAGMENT_DEFINITION ? one.name.value : []));
  if (names.length !== 1) throw new Error(`${path}?page: it holds ${names.length} fragments, and not one`);
  return parse(`query ${names[0]}Page($identifier: IdentifierInput!, $after: String) {
    patient(identifier: $identifier) { ...${names[0]} }
  }`).definitions;
}

/** The one operation, with those fragments that it needs: a document may carry no others (GraphQL, 5.5.1.4). */
function complete(of: readonly DefinitionNode[], known: readonly DefinitionNode[]): string {
  const operations = of.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION);
  const fragments = known.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION);
  const separated = separateOperations({ kind: Kind.DOCUMENT, definitions: [...operations, ...fragments] });
  const [found, ...others] = Object.values(separated);
  if (found === undefined || others.length > 0) throw new Error("a document is a file with one operation");
  return stripIgnoredCharacters(print(found));
}
