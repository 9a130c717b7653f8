/// The page: find a person, then their record. Whom it shows is in the history's state, never in a URL.
import { useEffect, useState } from "preact/hooks";
import { Find } from "./find";
import { Record } from "./record";

export function App() {
  const [number, setNumber] = useState<string | null>((history.state as string | null) ?? fromFragment());
  useEffect(() => {
    const back = (event: PopStateEvent) => setNumber(event.state as string | null);
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);
  const choose = (chosen: string | null) => {
    history.pushState(chosen, "");
    setNumber(chosen);
    scrollTo(0, 0);
  };
  return number === null ? <Find choose={choose} /> : <Record number={number} leave={() => choose(null)} />;
}

/** Another system may open `/#9994071009`: browsers do not send what follows #. It is taken out of the address at once. */
function fromFragment(): string | null {
  const number = location.hash.slice(1).replace(/\D/g, "");
  if (number.length !== 10) return null;
  history.replaceState(number, "", location.pathname);
  return number;
}
