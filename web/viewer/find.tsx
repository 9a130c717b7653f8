/// Find a person by number or by name. What comes back is graded by the gateway; this page guesses nothing.
import { useEffect, useState } from "preact/hooks";

export function Find({ choose }: { choose: (number: string) => void }) {
  const [examples, setExamples] = useState<{ identifier: string; label: string }[]>([]);
  useEffect(() => {
    void fetch("/settings.json").then(async (response) => setExamples((await response.json()).examples));
  }, []);
  return (
    <main>
      <h1>Find a person</h1>
      {examples.map(({ identifier, label }) => (
        <p key={identifier}>
          <button onClick={() => choose(identifier)}>{label}</button>
        </p>
      ))}
    </main>
  );
}
