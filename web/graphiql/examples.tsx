/// The pane with questions to pick, and what a newcomer needs to know about this endpoint.
import { type GraphiQLPlugin, useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { type Question, QUESTIONS } from "./questions";

function Icon() {
  return (
    <svg viewBox="0 0 20 20" fill="none" stroke="currentColor" strokeWidth="1.5" aria-hidden="true">
      <path d="M3 4h14v10H9l-4 3v-3H3z" />
      <path d="M7 8h6M7 11h4" />
    </svg>
  );
}

function Examples() {
  const { addTab } = useGraphiQLActions();
  const editors = useGraphiQL(({ queryEditor, variableEditor }) => ({ queryEditor, variableEditor }));
  const pick = (question: Question) => {
    addTab(); // what somebody has written stays where it is
    editors.variableEditor?.setValue(question.variables ? JSON.stringify(question.variables, null, 2) : "");
    editors.queryEditor?.setValue(question.document);
    editors.queryEditor?.setPosition({ lineNumber: 1, column: 1 });
    editors.queryEditor?.focus();
  };
  return (
    <section className="examples" aria-label="Examples">
      <h2 className="graphiql-doc-explorer-title">Examples</h2>
      <p>Each opens in a tab of its own, ready to be asked. Everybody in the demonstration is invented.</p>
      <ul>
        {QUESTIONS.map((question) => (
          <li key={question.title}>
            <button type="button" onClick={() => pick(question)}>
              {question.title}
            </button>
            <p>{question.asks}</p>
          </li>
        ))}
      </ul>
      <h3>Who is asking</h3>
      <p>
        Where the gateway wants a token, write it under <b>Headers</b>, below the question:{" "}
        <code>"Authorization": "Bearer ..."</code>, and with <code>"Sherwood-Purpose"</code> what for, if it is not
        treatment (<code>TREAT</code>). Questions, variables and history last until this tab is closed; headers are not
        kept, unless you choose so under Settings.
      </p>
    </section>
  );
}

export const EXAMPLES: GraphiQLPlugin = { title: "Examples", icon: Icon, content: Examples };
