import "graphiql/setup-workers/vite";
// Not graphiql/style.css: it brings 400 kB of fonts that the page's policy refuses.
import "@graphiql/react/style.css";
import "@graphiql/plugin-doc-explorer/style.css";
import "@graphiql/plugin-history/style.css";
import "graphiql/graphiql.css";
import "./page.css";
import { HISTORY_PLUGIN } from "@graphiql/plugin-history";
import { GraphiQL } from "graphiql";
import { createRoot } from "react-dom/client";
import { EXAMPLES } from "./examples";
import { fetcher } from "./fetcher";
import { Footer } from "./footer";
import { keepsHeaders, kept } from "./kept";
import { FIRST } from "./questions";
import { THEMES } from "./theme";

const HEADERS = `{
  // "Authorization": "Bearer ...",
  // "Sherwood-Purpose": "TREAT"
}
`;
const PLUGINS = [EXAMPLES, HISTORY_PLUGIN];
const WIDE = window.matchMedia("(min-width: 70rem)").matches;

createRoot(document.getElementById("graphiql")!).render(
  <GraphiQL
    fetcher={fetcher}
    storage={kept}
    plugins={PLUGINS}
    editorTheme={THEMES}
    {...(WIDE && { visiblePlugin: EXAMPLES })}
    defaultQuery={FIRST}
    defaultHeaders={HEADERS}
    defaultEditorToolsVisibility="variables"
    shouldPersistHeaders={keepsHeaders()}
    showPersistHeadersSettings
  >
    <GraphiQL.Logo>
      <a href="/">Viewer</a> <a href="/licenses.txt">Licences</a>
    </GraphiQL.Logo>
    <GraphiQL.Footer>
      <Footer />
    </GraphiQL.Footer>
  </GraphiQL>,
);
