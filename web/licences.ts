/// The licences of everything that is bundled, as one text: most of them ask that it travels with the code.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Plugin } from "vite";

const TEXTS = /^(licen[cs]e|copying|notice|thirdpartynotices)(\.(md|txt))?$/i;
const folders = new Set<string>();

/** Notes what goes into the bundle; workers have a bundle of their own, and so need it too. */
export function noted(): Plugin {
  return {
    name: "licences: noted",
    apply: "build",
    generateBundle(_, bundle) {
      for (const chunk of Object.values(bundle))
        if (chunk.type === "chunk") for (const module of chunk.moduleIds) note(module);
    },
  };
}

/** Writes `licenses.txt` into the folder of the build. */
export function licences(): Plugin {
  return {
    ...noted(),
    name: "licences: written",
    writeBundle({ dir }) {
      const texts = [...new Set([...folders].map(entry))].sort(); // some packages are there twice
      writeFileSync(join(dir!, "licenses.txt"), `${PREFACE}\n${texts.join("\n")}`);
    },
  };
}

const PREFACE = `The pages of Sherwood are made of its own code (Apache License 2.0) and of these packages of other people.
`;

function note(module: string): void {
  const [path] = module.replace(/^\0/, "").split("?");
  if (!path?.includes("/node_modules/")) return;
  let folder = dirname(path);
  while (!isPackage(folder)) folder = dirname(folder);
  folders.add(folder);
}

function isPackage(folder: string): boolean {
  const manifest = join(folder, "package.json");
  return existsSync(manifest) && "version" in (JSON.parse(readFileSync(manifest, "utf8")) as object);
}

function entry(folder: string): string {
  const { name, version, license, author, homepage } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const files = readdirSync(folder).filter((file) => TEXTS.test(file));
  if (!license) throw new Error(`${name} ${version} names no licence`);
  const texts = files.map((file) => readFileSync(join(folder, file), "utf8").trim());
  const by = [author?.name ?? author, homepage].filter(Boolean).join(", ");
  return `${"-".repeat(100)}\n${name} ${version}: ${license}\n\n${texts.join("\n\n") || `Brings no text of it. ${by}`}\n`;
}
