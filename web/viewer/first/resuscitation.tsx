/// What was decided about resuscitation, as it was stated, by whom and when. Nothing found says nothing: neither for nor
/// against. Looked for among care plans, consents, alerts, problems and documents by code and by words, among results by
/// code; every one found is shown.
import type { AlertsFragment, ConceptFragment, HeardFragment, ResuscitationFragment } from "../../types/viewer";
import { Marks } from "../marks";
import { Conflicts, type Entry, recorded, Said } from "../said";
import { NotYet } from "../section";
import { whoWasNotHeard } from "../silence";
import { value } from "../sections/amounts";
import { count, joined, period, sentence } from "../words";

/**
 * SNOMED CT: resuscitation status; for and not for attempted cardiopulmonary resuscitation; for and not for resuscitation;
 * do not resuscitate, with a document; the ReSPECT form.
 */
export const CODES = [
  "304251008",
  ...["450475007", "450476008", "304252001", "304253006", "143021000119109"],
  "1382601000000107",
];
const WORDS = /resuscit|\bDNA ?CPR\b|\bDNAR\b|\bCPR\b|escalation|ceiling of (care|treatment)/i;
const USUAL = new Set(["active", "final", "current"]);
const RESPECT = /\b(ReSPECT|RESPECT)\b/; // not the everyday word

interface Decision {
  entry: Entry;
  title: string;
  words: string;
  status: string | null;
  said: string;
}

export function Resuscitation({ record }: { record: Partial<ResuscitationFragment & AlertsFragment> }) {
  const { plans, decisions, flags, coded, measured, papers } = record;
  const sections = [plans, decisions, flags, coded, measured, papers];
  const looked = sections.filter((section) => section !== undefined);
  const found = [
    ...(plans ? plans.entries.nodes.map(fromPlan) : []),
    ...(decisions ? decisions.entries.nodes.map(fromConsent) : []),
    ...(flags ? flags.entries.nodes.map(fromFlag) : []),
    ...(coded ? coded.entries.nodes.map(fromProblem) : []),
    ...(measured ? measured.entries.nodes.map(fromResult) : []),
    ...(papers ? papers.entries.nodes.map(fromPaper) : []),
  ].filter((one) => one !== null);
  return (
    <section id="resuscitation" class="card" aria-labelledby="resuscitation-title">
      <h2 id="resuscitation-title">Resuscitation</h2>
      {found.map((one) => (
        <div key={one.entry.id} class={one.entry.enteredInError ? "withdrawn" : undefined}>
          <p>
            <strong>{one.title}</strong> <Marks entry={one.entry} />
            {one.status && !USUAL.has(one.status) && <span class="tag grey">{sentence(one.status)}</span>}
          </p>
          <p>{one.words}</p>
          <p class="quiet">
            {one.said} <Said entry={one.entry} label={one.title} />
          </p>
          <Conflicts entry={one.entry} />
        </div>
      ))}
      {looked.length < sections.length ? <NotYet /> : <Unheard looked={looked} found={found.length > 0} />}
    </section>
  );
}

type Looked = HeardFragment & { entries: { nodes: readonly unknown[] } };

function Unheard({ looked, found }: { looked: Looked[]; found: boolean }) {
  const beyond = looked.reduce((sum, { totalCount, entries }) => sum + totalCount - entries.nodes.length, 0);
  const sources = new Map(
    looked.flatMap(({ sources }) => sources).map((told) => [`${told.source.id} ${told.state} ${told.code}`, told]),
  );
  const missing = whoWasNotHeard([...sources.values()]);
  return (
    <>
      {!found && (
        <p class="silence">
          No resuscitation decision was found in the sources that answered, which does not say that there is none.
        </p>
      )}
      <p class="quiet">
        Looked for among care plans, consents, alerts, problems, results and the titles of documents; not in what
        documents and letters say.
      </p>
      {beyond > 0 && (
        <p class="silence">{count(beyond, "older entry", "older entries")} could not be looked through.</p>
      )}
      {missing && <p class="silence">Not complete. {missing}.</p>}
    </>
  );
}

function concerns(concepts: readonly (ConceptFragment | null)[], ...words: (string | null)[]): boolean {
  const stated = concepts.filter((concept) => concept !== null);
  const all = [...words, ...stated.flatMap(({ display, text }) => [display, text])];
  return (
    stated.some(({ codings }) => codings.some(({ code }) => code !== null && CODES.includes(code))) ||
    all.some((one) => one !== null && (WORDS.test(one) || RESPECT.test(one)))
  );
}

function fromPlan(plan: ResuscitationFragment["plans"]["entries"]["nodes"][number]): Decision | null {
  const { title, description, categories, activities, goals, status } = plan;
  const notes = plan.notes.map(({ text }) => text);
  if (!concerns(categories, title, description, ...activities, ...goals, ...notes)) return null;
  const words =
    joined([description, ...activities, ...goals, ...notes], ". ") || "Nothing more is stated: read the plan";
  return {
    entry: plan,
    title: title ?? joined(categories.map(({ display }) => display)),
    words,
    status,
    said: dated(plan),
  };
}

function fromConsent(consent: ResuscitationFragment["decisions"]["entries"]["nodes"][number]): Decision | null {
  const { scope, categories, decision, description, status } = consent;
  const notes = consent.notes.map(({ text }) => text);
  if (!concerns([scope, ...categories], description, ...notes)) return null;
  const words = joined([decision && `Decision: ${decision}`, description, ...notes], ". ");
  return {
    entry: consent,
    title: joined([scope, ...categories].map((one) => one?.display)),
    words,
    status,
    said: dated(consent),
  };
}

function fromFlag(flag: AlertsFragment["flags"]["entries"]["nodes"][number]): Decision | null {
  const notes = flag.notes.map(({ text }) => text);
  if (!concerns([flag.code, ...flag.categories], ...notes)) return null;
  return {
    entry: flag,
    title: flag.code?.display ?? "Alert",
    words: joined(notes, ". "),
    status: flag.status,
    said: dated(flag),
  };
}

function fromProblem(problem: ResuscitationFragment["coded"]["entries"]["nodes"][number]): Decision | null {
  const notes = problem.notes.map(({ text }) => text);
  if (!concerns([problem.code], ...notes)) return null;
  const denied = problem.polarity === "ABSENT" ? "Stated not to be so" : null;
  return {
    entry: problem,
    title: problem.code?.display ?? "Problem",
    words: joined([denied, problem.clinicalStatus, problem.verificationStatus, ...notes], ". "),
    status: null,
    said: `recorded ${recorded(problem)}`,
  };
}

function fromResult(result: ResuscitationFragment["measured"]["entries"]["nodes"][number]): Decision {
  return {
    entry: result,
    title: result.code?.display ?? "Result",
    words: joined([value(result), ...result.notes.map(({ text }) => text)], ". "),
    status: result.status,
    said: `recorded ${recorded(result)}`,
  };
}

function fromPaper(paper: ResuscitationFragment["papers"]["entries"]["nodes"][number]): Decision | null {
  const { type, categories, description, status } = paper;
  const notes = paper.notes.map(({ text }) => text);
  if (!concerns([type, ...categories], description, ...notes)) return null;
  return {
    entry: paper,
    title: type?.display ?? description ?? "Document",
    words: joined([description !== type?.display && description, "Read the document", ...notes], ". "),
    status,
    said: `recorded ${recorded(paper)}`,
  };
}

function dated(entry: Entry & { period: Parameters<typeof period>[0] }): string {
  return joined([period(entry.period), `recorded ${recorded(entry)}`]);
}
