/// What went wrong with a question, and what to do about it. A source's failure is never here: it stands beside the facts.
import type { CombinedError } from "@urql/core";

/** By the codes of docs/reference/errors.md. */
const WORDS: Record<string, [title: string, todo: string]> = {
  PATIENT_NOT_FOUND: [
    "Nobody is known by this number",
    "Check the number with the person, the wristband or the letter, or look for them by name and date of birth. It does not say that there are no records.",
  ],
  IDENTIFIER_INVALID: ["This cannot be a person’s number", "Check the digits."],
  IDENTITY_UNRESOLVED: [
    "It could not be established who this is",
    "Nothing clinical is shown, because it might be somebody else’s. Ask again in a minute; if it stays so, a data steward has to look.",
  ],
  ACCESS_DENIED: ["You may not see this record", "Ask whoever grants access, and say for what purpose you need it."],
  NOT_AUTHENTICATED: ["You are not signed in", "Sign in with a token below, and ask again."],
  AUDIT_UNAVAILABLE: [
    "Nothing can be shown at the moment",
    "Who looks at a record has to be written down, and that cannot be done now. Tell whoever runs the gateway.",
  ],
  DOCUMENT_NOT_TRUSTED: [
    "This gateway does not answer this page",
    "It runs only the documents that it was told of. Whoever runs it can name those of this page: gateway:built/documents.json.",
  ],
  SEARCH_TOO_WIDE: ["This would find too many people", ""],
};

interface Failure {
  code: string | null;
  title: string;
  todo: string;
  /** The gateway's own words. */
  said: string;
}

/**
 * What is wrong with the first of these fields that something is wrong with: what was early may have been answered since.
 * Null where nothing concerns them; a broken connection, and an error without a place, concern every field.
 */
export function failure(error: CombinedError | undefined, fields: readonly string[]): Failure | null {
  if (!error) return null;
  const at = (field: string) => error.graphQLErrors.find(({ path }) => String(path?.[0]) === field);
  const first = error.graphQLErrors.find(({ path }) => !path?.length) ?? fields.map(at).find((one) => one);
  if (first) {
    const [title, todo] = WORDS[String(first.extensions.code)] ?? [
      "The question could not be answered",
      "Ask again; if it stays so, tell whoever runs the gateway.",
    ];
    return { code: String(first.extensions.code), title, todo, said: first.message };
  }
  if (!error.networkError) return null;
  const title = "The gateway could not be reached";
  return {
    code: null,
    title,
    todo: "What is not on this page is not known. Check the network, then ask again.",
    said: "",
  };
}

export function Problem({ title, todo, said }: Failure) {
  return (
    <div class="problem" role="alert">
      <h2>{title}</h2>
      {todo && <p>{todo}</p>}
      {said && <p class="quiet">The gateway says: {said}</p>}
    </div>
  );
}
