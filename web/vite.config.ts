/// What npm builds: two pages, the viewer and GraphiQL, into the Python package that serves them. Nothing in them comes
/// from elsewhere when they run.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";
import { documents } from "./documents.ts";
import { licences, noted } from "./licences.ts";

// Not changeOrigin: the gateway refuses pages of another origin than its own.
const GATEWAY = { target: process.env.SHERWOOD_URL ?? "http://127.0.0.1:8000", changeOrigin: false };
const WORTH_COMPRESSING = 1400; // bytes: less fits into one packet as it is

/** Writes `file.gz` beside every text file that gains by it, so that the gateway compresses nothing at run time. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    writeBundle({ dir }, bundle) {
      for (const name of Object.keys(bundle)) {
        const path = join(dir!, name);
        const content = readFileSync(path);
        if (/^assets.*\.(js|css|svg|json)$/.test(name) && content.length > WORTH_COMPRESSING)
          writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  root: import.meta.dirname,
  appType: "mpa",
  plugins: [documents(), compressed(), licences()],
  worker: { plugins: () => [noted()] },
  build: {
    outDir: "../gateway/built",
    emptyOutDir: true,
    chunkSizeWarningLimit: 4000,
    modulePreload: { polyfill: false }, // a script inside the page: the policy forbids it
    assetsInlineLimit: 0, // a data: URL in a style: the policy forbids it
    rolldownOptions: {
      onwarn: (warning, tell) => {
        if (warning.code !== "MODULE_LEVEL_DIRECTIVE") tell(warning); // "use client" says nothing outside a server
      },
      input: { viewer: "viewer/index.html", graphiql: "graphiql/index.html" },
      output: {
        assetFileNames: "assets/[name]-[hash][extname]",
        chunkFileNames: "assets/[name]-[hash].js",
        entryFileNames: "assets/[name]-[hash].js",
      },
    },
  },
  optimizeDeps: { exclude: ["graphiql/setup-workers/vite", "@graphiql/react/setup-workers/vite"] }, // they name workers
  server: {
    host: "127.0.0.1",
    fs: { allow: [".."] }, // docs/questions
    proxy: { "/graphql": GATEWAY, "/settings.json": GATEWAY, "/licenses.txt": GATEWAY },
  },
});
