/// By name and date of birth: the candidates as the gateway grades them, who was not heard, and what a search cannot show.
import { useState } from "preact/hooks";
import type { MatchGrade, PatientSearchStatus } from "../types/sherwood";
import type { SearchQuery } from "../types/viewer";
import { type Identifier, useQuery } from "./client";
import document from "./documents/search.graphql";
import { evidence } from "./evidence";
import { failure, Problem } from "./failure";
import { ErrorSummary, Field } from "./find";
import { whoWasNotHeard } from "./silence";
import { joined, listed, nhsNumber, time } from "./words";

type Result = SearchQuery["patients"];
type Candidate = Result["candidates"][number];

const NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number";

const STATUS: Record<PatientSearchStatus, string> = {
  NONE: "Nobody was found",
  ONE: "One person was found",
  MANY: "Several people fit: compare before you choose",
  TOO_MANY: "Too many people fit: state more",
};

const GRADE: Record<MatchGrade, string> = {
  PROBABLE: "Probable: name and date of birth are the same, which is no proof",
  POSSIBLE: "Possible: less was stated or recorded, and nothing contradicts",
};

interface Stated {
  family: string;
  given: string | null;
  birthDate: string | null;
  gender: string | null;
  postalCode: string | null;
}

export function Search({ choose }: { choose: (identifier: Identifier) => void }) {
  const [stated, setStated] = useState<Stated | null>(null);
  const [turn, setTurn] = useState(0);
  const [problems, setProblems] = useState<{ problem: string; field: string }[]>([]);
  const { data, error, waiting } = useQuery<SearchQuery>(document, stated && { search: stated }, turn);
  const wrong = failure(error, ["patients"]);
  const ask = (event: Event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const typed = (name: string) => String(form.get(name) ?? "").trim() || null;
    const family = typed("family");
    const birthDate = dated(typed("day"), typed("month"), typed("year"));
    const wrong = [];
    if (!family) wrong.push({ problem: "Enter a family name", field: "family" });
    if (birthDate === undefined)
      wrong.push({ problem: "Enter a date of birth with day, month and year, such as 14 6 1968", field: "day" });
    setProblems(wrong);
    if (!family || birthDate === undefined) return setStated(null);
    setStated({ family, given: typed("given"), birthDate, gender: typed("gender"), postalCode: typed("postalCode") });
    setTurn(turn + 1);
  };
  const noFamily = problems.find(({ field }) => field === "family")?.problem ?? null;
  return (
    <form class="card" onSubmit={ask} noValidate>
      <h2>By name and date of birth</h2>
      {problems.length > 0 && <ErrorSummary problems={problems} />}
      <div class="fields">
        <Field id="family" label="Family name" problem={noFamily}>
          <input
            id="family"
            name="family"
            autoComplete="off"
            aria-describedby="family-problem"
            aria-invalid={noFamily !== null}
          />
        </Field>
        <Field id="given" label="Given name">
          <input id="given" name="given" autoComplete="off" />
        </Field>
        <BirthDate problem={problems.find(({ field }) => field === "day")?.problem ?? null} />
        <Field id="gender" label="Gender">
          <select id="gender" name="gender">
            <option value="">Not stated</option>
            <option value="female">Female</option>
            <option value="male">Male</option>
            <option value="other">Other</option>
          </select>
        </Field>
        <Field id="postalCode" label="Postcode">
          <input id="postalCode" name="postalCode" autoComplete="off" />
        </Field>
      </div>
      <button class="main">Search</button>
      <div aria-live="polite" aria-busy={waiting}>
        {waiting && <p>Searching ...</p>}
        {wrong && <Problem {...wrong} />}
        {data?.patients && <Found result={data.patients} choose={choose} />}
      </div>
    </form>
  );
}

/** Three fields, as the NHS asks for a date: a browser's own date field writes it in its own order. */
function BirthDate({ problem }: { problem: string | null }) {
  return (
    <fieldset class={problem ? "field wrong" : "field"}>
      <legend>
        <strong>Date of birth</strong>
      </legend>
      {problem && <span class="wrong-words">Error: {problem}</span>}
      <div class="fields">
        {["Day", "Month", "Year"].map((part) => (
          <Field key={part} id={part.toLowerCase()} label={part}>
            <input id={part.toLowerCase()} name={part.toLowerCase()} inputMode="numeric" autoComplete="off" />
          </Field>
        ))}
      </div>
    </fieldset>
  );
}

/** ISO 8601; null where nothing was typed, undefined where it is no date. */
function dated(day: string | null, month: string | null, year: string | null): string | null | undefined {
  if (!day && !month && !year) return null;
  const date = `${year}-${month?.padStart(2, "0")}-${day?.padStart(2, "0")}`;
  const read = new Date(`${date}T00:00:00Z`);
  return !Number.isNaN(read.getTime()) && read.toISOString().startsWith(date) ? date : undefined;
}

function Found({ result, choose }: { result: Result; choose: (identifier: Identifier) => void }) {
  const missing = whoWasNotHeard(result.sources.filter(({ code }) => code !== "SEARCH_NOT_OFFERED"));
  const unsearched = result.sources.filter(({ code }) => code === "SEARCH_NOT_OFFERED");
  return (
    <>
      <h3>{STATUS[result.status]}</h3>
      {result.completeness !== "COMPLETE" && <p class="silence">Somebody may be missing. {missing}.</p>}
      {result.truncated && <p class="silence">Only the best fitting are shown.</p>}
      <p class="quiet">{result.notice}</p>
      {unsearched.length > 0 && (
        <p class="quiet">
          Cannot be searched by name:{" "}
          {joined(
            unsearched.map(({ source }) => source.name),
            "; ",
          )}
          .
        </p>
      )}
      {result.candidates.map((candidate) => (
        <Candidate key={JSON.stringify(candidate.identifiers)} candidate={candidate} choose={choose} />
      ))}
    </>
  );
}

function Candidate({ candidate, choose }: { candidate: Candidate; choose: (identifier: Identifier) => void }) {
  const { names, birthDate, gender, postalDistrict, deceased, grade, identifiers, sources } = candidate;
  const number = identifiers.find(({ system }) => system === NHS_NUMBER) ?? identifiers[0];
  return (
    <article class="candidate">
      <h4>{listed(names[0])}</h4>
      <dl>
        <dt>Born</dt>
        <dd>{birthDate ? time(birthDate) : "Not stated"}</dd>
        <dt>Gender</dt>
        <dd>{gender ?? "Not stated"}</dd>
        <dt>Lives in</dt>
        <dd>{postalDistrict ?? "Not stated"}</dd>
        <dt>{number?.system === NHS_NUMBER ? "NHS number" : "Number"}</dt>
        <dd>{number ? nhsNumber(number.value) : "None that can be asked by"}</dd>
        <dt>How well it fits</dt>
        <dd>
          {GRADE[grade]} ({evidence(candidate.evidence)})
        </dd>
        <dt>Found in</dt>
        <dd>
          {joined(
            sources.map(({ name }) => name),
            "; ",
          )}
        </dd>
      </dl>
      {deceased && <p class="deceased">Deceased, as a source says</p>}
      {number && (
        <button type="button" onClick={() => choose({ system: number.system, value: number.value })}>
          Show the record<span class="hidden"> of {listed(names[0])}</span>
        </button>
      )}
    </article>
  );
}
