/// Colours of the editors that can be read (WCAG 2.2, clause 1.4.3) on the page's own backgrounds, in light and dark.
import { useGraphiQL, useGraphiQLActions, useMonaco } from "@graphiql/react";
import { useEffect } from "react";

export const THEMES = { light: "sherwood-light", dark: "sherwood-dark" } as const;

const SEEN_THROUGH = { "editor.background": "#ffffff00", "scrollbar.shadow": "#ffffff00" };
const LIGHT = {
  base: "vs",
  inherit: true,
  colors: { ...SEEN_THROUGH, focusBorder: "#005eb8", "textLink.foreground": "#005eb8" },
  rules: [
    { token: "annotation", foreground: "555f6e" },
    { token: "number", foreground: "07633f" },
    { token: "comment", foreground: "006b00" },
    { token: "argument.identifier.gql", foreground: "4b48b8" },
  ],
} as const;
const DARK = {
  base: "vs-dark",
  inherit: true,
  colors: {
    ...SEEN_THROUGH,
    focusBorder: "#8cc4ff",
    "textLink.foreground": "#8cc4ff",
    "editorLineNumber.foreground": "#a5b0c4",
    "editorHoverWidget.background": "#212a3b",
    "editorSuggestWidget.background": "#212a3b",
    "editorWidget.background": "#212a3b",
  },
  rules: [
    { token: "annotation", foreground: "c3cad6" },
    { token: "keyword", foreground: "8cc4ff" },
    { token: "comment", foreground: "9cc48a" },
    { token: "argument.identifier.gql", foreground: "b9b5ff" },
  ],
} as const;

/** Lines are wrapped, and the editors stay in the page's scheme when the system changes its own. */
export function useReadableEditors(): void {
  const monaco = useMonaco((state) => state.monaco);
  const theme = useGraphiQL((state) => state.theme);
  const editor = useGraphiQL((state) => state.queryEditor);
  const { setTheme } = useGraphiQLActions();
  useEffect(() => editor?.updateOptions({ wordWrap: "on" }), [editor]);
  useEffect(() => {
    if (!monaco) return;
    monaco.editor.defineTheme(THEMES.light, { ...LIGHT, rules: [...LIGHT.rules] });
    monaco.editor.defineTheme(THEMES.dark, { ...DARK, rules: [...DARK.rules] });
    const apply = () => setTheme(theme);
    apply();
    const system = window.matchMedia("(prefers-color-scheme: dark)");
    system.addEventListener("change", apply);
    return () => system.removeEventListener("change", apply);
  }, [monaco, theme, setTheme]);
}
