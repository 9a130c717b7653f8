/// Results: what was measured, with its range, when and by whom; a page at a time, by kind or by name.
import { useState } from "preact/hooks";
import type { ChartsFragment, ResultFragment, ResultsFragment } from "../../types/viewer";
import page from "../documents/results-page.graphql";
import { Marks } from "../marks";
import { Conflicts, Said } from "../said";
import { Section } from "../section";
import { time } from "../words";
import { value } from "./amounts";
import { useChosenPages } from "./pages";
import "./part.css";

const CATEGORIES = [
  ["laboratory", "Laboratory"],
  ["vital-signs", "Vital signs"],
  ["survey", "Questionnaires and scores"],
  ["imaging", "Imaging"],
] as const;

interface Props {
  record: Partial<ResultsFragment & ChartsFragment>;
}

interface Chosen {
  category: string | null;
  codes: string[] | null;
}

export function Results({ record }: Props) {
  const [chosen, setChosen] = useState<Chosen>({ category: null, codes: null });
  const asked = chosen.category || chosen.codes ? chosen : null;
  const [section, pages] = useChosenPages<ResultsFragment["observations"]>({
    document: page,
    chosen: asked,
    first: record.observations,
    take: (patient: ResultsFragment) => patient.observations,
    at: ({ entries: { nodes, pageInfo } }) => ({ shown: nodes.length, end: pageInfo.hasNextPage ? pageInfo.endCursor : null }),
  });
  const all = record.observations?.totalCount ?? 0;
  return (
    <>
      <form class="choices" aria-label="Choose results" onSubmit={(event) => event.preventDefault()}>
        <label>
          Kind
          <select onChange={({ currentTarget }) => setChosen({ ...chosen, category: currentTarget.value || null })}>
            <option value="">Every kind</option>
            {CATEGORIES.map(([code, label]) => (
              <option key={code} value={code}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <label>
          Name
          <select onChange={({ currentTarget }) => setChosen({ ...chosen, codes: codesOf(currentTarget.value) })}>
            <option value="">Every name</option>
            {names(record).map(([label, codes]) => (
              <option key={codes} value={codes}>
                {label}
              </option>
            ))}
          </select>
        </label>
      </form>
      {asked && section && !pages.busy && !pages.failed && (
        <p>
          {section.totalCount} of {all} results are chosen.
        </p>
      )}
      <Section title="Results" id="results" section={section} pages={pages}>
        <Rows results={section?.entries.nodes ?? []} />
      </Section>
    </>
  );
}

const codesOf = (text: string): string[] | null => (text ? (JSON.parse(text) as string[]) : null);

/** What can be chosen by name: the gateway's own series, and what stands on the first page. */
function names({ outcomes, observations }: Props["record"]): [string, string][] {
  const series = (outcomes ?? []).map(({ name, codes }) => [name, codes.map(({ code }) => code)] as const);
  const seen = (observations?.entries.nodes ?? []).map(
    ({ code }) => [code?.display ?? "", (code?.codings ?? []).flatMap((coding) => coding.code ?? [])] as const,
  );
  const found = new Map<string, string>();
  for (const [name, codes] of [...series, ...seen]) {
    if (name && codes.length > 0 && !found.has(name)) found.set(name, JSON.stringify(codes));
  }
  return [...found].sort(([a], [b]) => a.localeCompare(b));
}

function Rows({ results }: { results: readonly ResultFragment[] }) {
  if (results.length === 0) return null;
  return (
    <table>
      <caption class="hidden">Results, newest first</caption>
      <thead>
        <tr>
          <th scope="col">Result</th>
          <th scope="col">Value</th>
          <th scope="col">Reference range</th>
          <th scope="col">When</th>
          <th scope="col">Who says so</th>
        </tr>
      </thead>
      <tbody>
        {results.map((one) => (
          <Row key={one.id} one={one} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ one }: { one: ResultFragment }) {
  const label = one.code?.display ?? "Result, not named";
  const sample = [one.specimenType?.display, one.specimen && `sample ${one.specimen}`].filter(Boolean).join(", ");
  return (
    <tr class={one.enteredInError ? "withdrawn" : undefined}>
      <th scope="row">
        {label}{" "}
        {one.status && one.status !== "final" && !one.enteredInError && <span class="tag">{one.status}</span>}
        <Marks entry={one} />
      </th>
      <td data-label="Value">
        <strong>{value(one) ?? (one.components.length > 0 ? "" : "no value stated")}</strong>{" "}
        <Interpretation codes={one.interpretation} />
        {one.components.map((part, index) => (
          <span class="part" key={index}>
            {part.code?.display}: {value(part) ?? "no value stated"}
          </span>
        ))}
        <Conflicts entry={one} />
      </td>
      <td data-label="Reference range">{one.referenceRange ?? <span class="quiet">not stated</span>}</td>
      <td data-label="When">
        {time(one.when)}
        {sample && <span class="part quiet">{sample}</span>}
      </td>
      <td data-label="Who says so">
        <Said entry={one} label={label} />
      </td>
    </tr>
  );
}

const FLAGS: Record<string, string> = {
  H: "High",
  HH: "Critically high",
  L: "Low",
  LL: "Critically low",
  A: "Abnormal",
  AA: "Critically abnormal",
  N: "Normal",
};

/** High and low in words, with an arrow; the colour says nothing that these do not. */
function Interpretation({ codes }: { codes: ResultFragment["interpretation"] }) {
  return (
    <>
      {codes.map((one, index) => {
        const code = one.codings.map((coding) => coding.code ?? "").find((found) => found in FLAGS) ?? "";
        const arrow = code.startsWith("H") ? "▲ " : code.startsWith("L") ? "▼ " : "";
        return (
          <span key={index} class={`tag${code && code !== "N" ? " red" : ""}`}>
            {arrow}
            {FLAGS[code] ?? one.display}
          </span>
        );
      })}
    </>
  );
}

