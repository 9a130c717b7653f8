/// TypeScript types of the committed schema, and of what the viewer asks: `npm run types` writes them to types/.
import type { CodegenConfig } from "@graphql-codegen/cli";

const scalars = { Date: "string", DateTime: "string", Decimal: "string", Duration: "string" };
const config = { scalars, enumsAsTypes: true, useTypeImports: true, skipTypename: false };

export default {
  schema: "../schema/schema.graphql",
  generates: {
    "types/schema.ts": { plugins: ["typescript"], config },
    "types/viewer.ts": { documents: "viewer/documents/*.graphql", plugins: ["typescript-operations"], config },
  },
} satisfies CodegenConfig;
