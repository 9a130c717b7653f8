/// The page: find a person, then their record. Whom it shows is in the history's state, never in a URL.
import { useEffect, useState } from "preact/hooks";
import type { Identifier } from "./client";
import { Find } from "./find";
import { Record } from "./record";

export function App() {
  const [identifier, setIdentifier] = useState<Identifier | null>(
    (history.state as Identifier | null) ?? fromFragment(),
  );
  useEffect(() => {
    const back = (event: PopStateEvent) => setIdentifier((event.state as Identifier | null) ?? fromFragment());
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);
  const choose = (chosen: Identifier | null) => {
    history.pushState(chosen, "");
    setIdentifier(chosen);
    scrollTo(0, 0);
  };
  return (
    <>
      <button class="skip" onClick={() => document.getElementById("main")?.focus()}>
        Skip to main content
      </button>
      {identifier === null ? <Find choose={choose} /> : <Record identifier={identifier} leave={() => choose(null)} />}
      <footer>
        Sherwood <a href="/graphql">Ask in GraphiQL</a> <a href="/licenses.txt">Licences</a>
      </footer>
    </>
  );
}

/** Another system may open `/#9994071009`: browsers do not send what follows #. It is taken out of the address at once. */
function fromFragment(): Identifier | null {
  const value = location.hash.slice(1).replace(/\D/g, "");
  if (value.length !== 10) return null;
  history.replaceState({ value }, "", location.pathname);
  return { value };
}
