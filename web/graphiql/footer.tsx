/// Below the answer: whether it is whole, and what to do where the gateway wants to know who is asking.
import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { useEffect, useRef } from "react";
import { type Answer, useAnswer } from "./answer";
import { useReadableEditors } from "./theme";

export function Footer() {
  const answer = useAnswer();
  useSchemaOnceAdmitted(answer);
  useReadableEditors();
  return (
    <div className="state" data-state={answer.state}>
      <p role={answer.state === "refused" || answer.state === "broken" ? "alert" : "status"}>{said(answer)}</p>
      {answer.state === "refused" && <OpenHeaders />}
    </div>
  );
}

function said(answer: Answer): string {
  switch (answer.state) {
    case "none":
      return "Ctrl+Enter asks.";
    case "arriving":
      if (!answer.parts) return "Asked. Nothing has arrived yet.";
      return answer.waiting.length ? `Not whole yet. Still to come: ${answer.waiting.join(", ")}.` : "Arriving.";
    case "whole":
      return answer.parts > 1 ? `Whole: ${answer.parts} parts have arrived.` : "Whole.";
    case "stopped":
      return answer.waiting.length
        ? `Stopped: this answer is not whole. It lacks: ${answer.waiting.join(", ")}.`
        : "Stopped: this answer is not whole.";
    case "broken":
      return "There is no whole answer. What went wrong is above.";
    case "refused":
      return "This gateway wants to know who is asking. Write your token under Headers, below the question, then ask again.";
  }
}

/** Without a token the schema was refused too: it is asked for once more after each answer, until it is there. */
function useSchemaOnceAdmitted(answer: Answer): void {
  const { introspect } = useGraphiQLActions();
  const lacking = useRef(false);
  lacking.current = useGraphiQL((state) => !state.schema && !state.isIntrospecting && state.fetchError !== null);
  const admitted = answer.state === "whole";
  useEffect(() => {
    if (admitted && lacking.current) void introspect();
  }, [admitted, introspect]);
}

function OpenHeaders() {
  const editor = useGraphiQL((state) => state.headerEditor);
  const open = () => {
    document.querySelector<HTMLButtonElement>(".graphiql-editor-tools [data-name=headers]")?.click();
    requestAnimationFrame(() => editor?.focus()); // what is hidden cannot have the focus
  };
  return (
    <button type="button" onClick={open}>
      Open Headers
    </button>
  );
}
