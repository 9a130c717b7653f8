/// Find a person by number or by name. What comes back is graded by the gateway; this page guesses nothing.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Identifier, signIn } from "./client";
import { Search } from "./search";
import { nhsNumber } from "./words";

export function Find({ choose }: { choose: (identifier: Identifier) => void }) {
  return (
    <main id="main" tabIndex={-1} class="find">
      <h1>Find a person</h1>
      <ByNumber choose={choose} />
      <Search choose={choose} />
      <Examples choose={choose} />
      <SignIn />
    </main>
  );
}

function ByNumber({ choose }: { choose: (identifier: Identifier) => void }) {
  const [problem, setProblem] = useState<string | null>(null);
  const field = useRef<HTMLInputElement>(null);
  const ask = (event: Event) => {
    event.preventDefault();
    const value = field.current!.value.replace(/[\s-]/g, "");
    const wrong = wrongNumber(value);
    setProblem(wrong);
    if (!wrong) choose({ value });
  };
  return (
    <form class="card" onSubmit={ask} noValidate>
      <h2>By NHS number</h2>
      {problem && <ErrorSummary problems={[{ problem, field: "number" }]} />}
      <Field id="number" label="NHS number" hint="10 digits, such as 999 123 4567" problem={problem}>
        <input
          id="number"
          ref={field}
          inputMode="numeric"
          autoComplete="off"
          aria-describedby="number-hint number-problem"
          aria-invalid={problem !== null}
        />
      </Field>
      <button class="main">Show the record</button>
    </form>
  );
}

/** Why it cannot be an NHS number; null where it can. The last digit checks the others (modulus 11). */
export function wrongNumber(value: string): string | null {
  if (value === "") return "Enter an NHS number";
  if (!/^\d{10}$/.test(value)) return "An NHS number has 10 digits, and nothing but digits";
  const sum = [...value.slice(0, 9)].reduce((total, digit, place) => total + Number(digit) * (10 - place), 0);
  const check = (11 - (sum % 11)) % 11;
  return check === Number(value[9]) ? null : "Check the digits: one of them must be wrong";
}

interface FieldProps {
  id: string;
  label: string;
  hint?: string;
  problem?: string | null;
  children: ComponentChildren;
}

export function Field({ id, label, hint, problem, children }: FieldProps) {
  return (
    <div class={problem ? "field wrong" : "field"}>
      <label for={id}>{label}</label>
      {hint && (
        <span id={`${id}-hint`} class="quiet">
          {hint}
        </span>
      )}
      {problem && (
        <span id={`${id}-problem`} class="wrong-words">
          Error: {problem}
        </span>
      )}
      {children}
    </div>
  );
}

/** The NHS pattern: said at once, with a way to each field. */
export function ErrorSummary({ problems }: { problems: { problem: string; field: string }[] }) {
  const summary = useRef<HTMLDivElement>(null);
  useEffect(() => summary.current?.focus(), [problems.map(({ problem }) => problem).join()]);
  return (
    <div class="problem" role="alert" tabIndex={-1} ref={summary}>
      <h3>There is a problem</h3>
      {problems.map(({ problem, field }) => (
        <p key={field}>
          <button type="button" class="link" onClick={() => document.getElementById(field)?.focus()}>
            {problem}
          </button>
        </p>
      ))}
    </div>
  );
}

/** Invented people, where the deployment offers them; nothing where it does not or cannot say. */
function Examples({ choose }: { choose: (identifier: Identifier) => void }) {
  const [examples, setExamples] = useState<{ identifier: string; label: string }[]>([]);
  useEffect(() => {
    fetch("/settings.json")
      .then((response) => response.json())
      .then((settings) => setExamples(settings.examples))
      .catch(() => setExamples([]));
  }, []);
  if (examples.length === 0) return null;
  return (
    <section class="card" aria-labelledby="examples-title">
      <h2 id="examples-title">Invented people</h2>
      <ul class="examples">
        {examples.map(({ identifier, label }) => (
          <li key={identifier}>
            <button class="link" onClick={() => choose({ value: identifier })}>
              {label}
            </button>{" "}
            <span class="quiet">{nhsNumber(identifier)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** For deployments that need a token. It is kept in memory until the page is closed, and nowhere else. */
export function SignIn({ then }: { then?: () => void }) {
  const field = useRef<HTMLInputElement>(null);
  const [signed, setSigned] = useState(false);
  const keep = (event: Event) => {
    event.preventDefault();
    signIn(field.current!.value);
    field.current!.value = "";
    setSigned(true);
    then?.();
  };
  return (
    <details class="card" open={then !== undefined}>
      <summary>Sign in with a token</summary>
      <form onSubmit={keep}>
        <Field id="token" label="Token" hint="It is forgotten when this page is closed or loaded again">
          <input id="token" ref={field} type="password" autoComplete="off" aria-describedby="token-hint" />
        </Field>
        <button>Use this token</button> <span role="status">{signed && "The token will be sent from now on."}</span>
      </form>
    </details>
  );
}
