/// Outcomes over time: panes on one axis, each in words and as a table too. It describes and predicts nothing.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { ChartsFragment, MedicinesFragment } from "../../types/viewer";
import { Pager, useSlices } from "../pager";
import { whoWasNotHeard } from "../silence";
import { grouped } from "./grouped";
import { type Pane, type Series, contacts, doses, leftOut, pane, ranges, summary, table } from "./lines";
import { Part } from "./part";
import { Axis, draw, shape } from "./plot";
import "./charts.css";

type Outcomes = Partial<ChartsFragment & MedicinesFragment>;

interface Group {
  id: string;
  title: string;
  series: Series[];
  panes: Pane[];
}

const DIABETES: [string, RegExp][] = [
  ["HbA1c", /^HbA1c/],
  ["Glucose", /^Glucose/],
  ["Weight", /^Weight/],
];
const LIVER: [string, RegExp][] = ["ALT", "ALP", "GGT", "Bilirubin", "Albumin", "Platelets"].map((name) => [name, new RegExp(`^${name}`)]);

export function Charts({ record }: { record: Outcomes }) {
  const all = useMemo(() => groups(record), [record.outcomes, record.contacts, record.medications]);
  const unmapped = record.outcomes?.[0]?.unmapped ?? 0;
  return (
    <Part title="Over time" id="charts" arrived={record.outcomes !== undefined}>
      {all.length === 0 && <p class="silence">No measurement with a number and a day was found in the sources that answered.</p>}
      {unmapped > 0 && (
        <p class="silence">
          {unmapped} results are in codes that no map knows: any of them may belong on a line here. They are among the results.
        </p>
      )}
      {record.outcomes?.[0] && <Missing series={record.outcomes[0]} />}
      {all.map((group) => (
        <Stack key={group.id} group={group} />
      ))}
    </Part>
  );
}

function Missing({ series }: { series: Series }) {
  const missing = whoWasNotHeard(series.sources);
  return missing ? <p class="silence">Not complete: points may be missing. {missing}.</p> : null;
}

function groups(record: Outcomes): Group[] {
  const left = new Set((record.outcomes ?? []).filter(({ points, excluded }) => points.length + excluded.length > 0));
  const take = (pattern: RegExp) => {
    const found = [...left].filter(({ name }) => pattern.test(name));
    for (const one of found) left.delete(one);
    return found;
  };
  const group = (id: string, title: string, wanted: [string, RegExp][], beside: (Pane | null)[] = []): Group => {
    const found = wanted.map(([name, pattern]) => [name, take(pattern)] as const).filter(([, series]) => series.length > 0);
    const drawn = found.flatMap(([name, series]) => apart(name, series));
    return { id, title, series: found.flatMap(([, series]) => series), panes: [...drawn, ...beside.filter((one) => one !== null)] };
  };
  const now = Date.now() / 1000;
  const made = [
    group("diabetes", "Diabetes: HbA1c, glucose, weight, insulin and contacts", DIABETES, [doses(record, now), contacts(record)]),
    group("liver", "Liver tests and platelets", LIVER),
    group("others", "Other measurements", [...left].map(({ name }) => [name, exactly(name)])),
  ];
  return made.filter(({ series }) => series.length > 0);
}

const exactly = (name: string) => new RegExp(`^${name.replace(/[^\w ]/g, "\\$&")}$`);

/** One pane holds one unit. */
function apart(name: string, series: Series[]): Pane[] {
  const drawn = series.filter(({ points, excluded }) => points.length > 0 || excluded.some(({ reason }) => reason === "COMPARATOR"));
  const units = [...grouped(drawn, ({ unit }) => unit).values()];
  return units.map((same) => pane(units.length > 1 ? same.map((one) => one.name).join(", ") : name, same));
}

const DAY = 86_400;

function Stack({ group }: { group: Group }) {
  const axis = useMemo(() => {
    const sources = [...new Set(group.panes.flatMap(({ lines }) => lines.flat().map(({ source }) => source)))];
    const measured = group.panes.filter(({ lane }) => !lane);
    const times = measured.flatMap(({ lines, spans }) => [...lines.flat().map(({ at }) => at), ...spans.flatMap(({ from, to }) => [from, to])]);
    const [first, last] = times.length > 0 ? [Math.min(...times), Math.max(...times)] : [0, 0];
    const edge = Math.max((last - first) * 0.03, 7 * DAY);
    return new Axis(sources, [first - edge, last + edge]);
  }, [group]);
  useEffect(() => {
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const redraw = () => axis.redraw();
    scheme.addEventListener("change", redraw);
    return () => scheme.removeEventListener("change", redraw);
  }, [axis]);
  const [from, to] = axis.window;
  return (
    <div class="stack" role="group" aria-labelledby={`chart-${group.id}`}>
      <h3 id={`chart-${group.id}`}>{group.title}</h3>
      <Legend sources={axis.sources} />
      <p class="turns" role="group" aria-label={`Time shown: ${group.title}`}>
        <button onClick={() => axis.show(from, to)}>All</button>
        <button onClick={() => axis.show(to - 365 * DAY, to)}>Last year</button>
        <button onClick={() => axis.show(to - 92 * DAY, to)}>Last 3 months</button>
        <button onClick={() => axis.show(to - 31 * DAY, to)}>Last month</button>
      </p>
      {group.panes.map((one) => (
        <Drawn key={one.title} pane={one} axis={axis} />
      ))}
      {group.series.map((series) => (
        <Words key={series.name} series={series} />
      ))}
    </div>
  );
}

function Drawn({ pane: one, axis }: { pane: Pane; axis: Axis }) {
  const canvas = useRef<HTMLDivElement>(null);
  const [words, setWords] = useState("");
  useEffect(() => {
    const into = canvas.current!;
    const height = one.lane ? 76 : 150;
    const plot = draw(into, one, axis, height, setWords);
    const size = new ResizeObserver(() => plot.setSize({ width: into.clientWidth, height }));
    size.observe(into);
    const remove = axis.add(plot);
    return () => {
      size.disconnect();
      remove();
    };
  }, [one, axis]);
  return (
    <figure>
      <figcaption>
        <strong>{one.title}</strong> {one.unit}
        {one.range && <span class="quiet"> (shaded: the reference range {one.range.join(" to ")})</span>}
      </figcaption>
      <div ref={canvas} class="plot" aria-hidden="true" />
      {one.left && <p class="quiet">{one.left}</p>}
      <p class="reading" aria-hidden="true">
        {words}
      </p>
      {(one.spans.length > 0 || one.lane) && <Listed pane={one} />}
    </figure>
  );
}

function Legend({ sources }: { sources: readonly string[] }) {
  return (
    <ul role="list" class="legend" aria-label="Shapes: the source of each point">
      {sources.map((source, index) => (
        <li key={source}>
          <Shape index={index} /> {source}
        </li>
      ))}
    </ul>
  );
}

function Shape({ index }: { index: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const ctx = canvas.current!.getContext("2d")!;
    const paint = () => {
      ctx.clearRect(0, 0, 32, 32);
      ctx.strokeStyle = ctx.fillStyle = getComputedStyle(canvas.current!).getPropertyValue("--blue");
      ctx.lineWidth = 3;
      shape(ctx, index, 16, 16, 9);
    };
    paint();
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", paint);
    return () => scheme.removeEventListener("change", paint);
  }, [index]);
  return <canvas ref={canvas} width={32} height={32} aria-hidden="true" />;
}

function Words({ series }: { series: Series }) {
  const stated = ranges(series);
  const rows = useMemo(() => table(series), [series]);
  const [open, setOpen] = useState(false);
  return (
    <div class="words">
      <p>
        <strong>{series.name}:</strong> {summary(series)} {leftOut(series)}{" "}
        {stated.length > 1 && `Stated ranges differ: ${stated.join("; ")}.`}
      </p>
      <details name="rows" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
        <summary>{series.name} as a table</summary>
        {open && <Table series={series} rows={rows} />}
      </details>
    </div>
  );
}

function Table({ series, rows }: { series: Series; rows: ReturnType<typeof table> }) {
  const [shown, pages] = useSlices(rows, 10);
  return (
    <>
      <table>
        <caption>{series.name}, newest first</caption>
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">Value</th>
            <th scope="col">Who says so</th>
            <th scope="col">Reference range</th>
            <th scope="col">On the line</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((row) => (
            <tr key={row.id}>
              <th scope="row">{row.when}</th>
              <td data-label="Value">{row.value}</td>
              <td data-label="Who says so">{row.sources}</td>
              <td data-label="Reference range">{row.range}</td>
              <td data-label="On the line">{row.left ? `no: ${row.left}` : `yes (${row.status})`}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <Pager title={`${series.name} as a table`} pages={pages} shown={shown.length} total={rows.length} />
    </>
  );
}

/** What a pane without a series holds, in words. */
function Listed({ pane: { title, lines, spans } }: { pane: Pane }) {
  const [open, setOpen] = useState(false);
  const items = [...lines.flat(), ...spans].map(({ words }) => words).reverse();
  const [shown, pages] = useSlices(items, 10);
  return (
    <details name="rows" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        {title}: {items.length} in words
      </summary>
      {open && (
        <>
          <ul class="rows">
            {shown.map((words, index) => (
              <li key={index}>{words}</li>
            ))}
          </ul>
          <Pager title={title} pages={pages} shown={shown.length} total={items.length} />
        </>
      )}
    </details>
  );
}
