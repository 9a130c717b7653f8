/// Panes one above the other on one time axis, by uPlot: they zoom together, and the cursor is in all of them.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Mark, Pane } from "./lines";

const SHAPES = ["circle", "square", "triangle", "diamond", "down", "cross", "plus", "bar"] as const;
const MONTH = new Intl.DateTimeFormat("en-GB", { month: "short", year: "numeric", timeZone: "UTC" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const WITH_YEAR = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "2-digit", timeZone: "UTC" });
const HOUR = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", timeZone: "UTC" });
const A_DAY = 86_400;
const GAP = 7; // pixels: how near the cursor must be

let made = 0;

/** Panes that move together: the same window of time, and the same shape for the same source. */
export class Axis {
  private readonly plots = new Set<uPlot>();
  readonly key = `time-${made++}`;
  moving = false;

  constructor(
    readonly sources: readonly string[],
    readonly window: [number, number],
  ) {}

  add(plot: uPlot): () => void {
    this.plots.add(plot);
    return () => {
      this.plots.delete(plot);
      plot.destroy();
    };
  }

  show(min: number, max: number): void {
    if (this.moving) return;
    this.moving = true;
    for (const plot of this.plots) plot.setScale("x", { min, max });
    this.moving = false;
  }

  redraw(): void {
    for (const plot of this.plots) plot.redraw(false, true);
  }
}

/** "Jul 2026", "15 Jul 26", "15 Jul" or "15 Jul, 02:10", in UTC: as fine as the ticks are apart, the year with the first. */
function ticks(times: number[], apart: number): string[] {
  const form = apart >= 28 * A_DAY ? MONTH : apart >= A_DAY ? DAY : HOUR;
  return times.map((time, index) => (index === 0 && form === DAY ? WITH_YEAR : form).format(time * 1000));
}

/** Draws a pane into an element. `read` is called with the words of what is under the cursor. */
export function draw(into: HTMLElement, pane: Pane, axis: Axis, height: number, read: (words: string) => void): uPlot {
  const colour = (name: string) => getComputedStyle(into).getPropertyValue(`--${name}`);
  const marks = pane.lines.flat();
  const xs = [...new Set([...marks.map(({ at }) => at), ...pane.spans.flatMap(({ from, to }) => [from, to])])].sort((a, b) => a - b);
  const lines = pane.lines.map((line) => {
    const at = new Map(line.flatMap((mark) => (mark.bound === null ? [[mark.at, mark.value] as const] : [])));
    return xs.map((x) => at.get(x) ?? null);
  });
  const values = [...marks, ...pane.spans].map(({ value }) => value).concat(pane.range ?? []);
  const spread = Math.max(...values) - Math.min(...values) || Math.abs(values[0] ?? 1) || 1;
  const plot = new uPlot(
    {
      tzDate: (time) => uPlot.tzDate(new Date(time * 1000), "Etc/UTC"),
      width: into.clientWidth,
      height,
      legend: { show: false },
      cursor: {
        sync: { key: axis.key, setSeries: false },
        drag: { x: true, y: false, uni: 10 },
        y: false,
        points: { show: false },
      },
      scales: {
        x: { min: axis.window[0], max: axis.window[1], range: (_, min, max) => [min, max] },
        y: { range: pane.lane ? [-1, 1] : [Math.min(...values) - spread * 0.1, Math.max(...values) + spread * 0.1] },
      },
      axes: [
        {
          stroke: () => colour("text"),
          grid: { stroke: () => colour("line"), width: 1 },
          ticks: { show: false },
          size: 30,
          space: 90,
          values: (_, splits, __, ___, apart) => ticks(splits, apart),
        },
        {
          stroke: () => (pane.lane ? "transparent" : colour("text")),
          grid: { show: !pane.lane, stroke: () => colour("line"), width: 1 },
          ticks: { show: false },
          size: 48,
          space: 24,
        },
      ],
      series: [
        {},
        ...lines.map(() => ({ stroke: () => (pane.lane ? "transparent" : colour("blue")), width: 1, spanGaps: true, points: { show: false } })),
      ],
      hooks: {
        drawClear: [(self) => pane.range && band(self, pane.range, colour("band"))],
        draw: [(self) => inks(self, pane, axis.sources, colour)],
        setScale: [(self, scale) => scale === "x" && axis.show(self.scales.x!.min!, self.scales.x!.max!)],
        setCursor: [(self) => read(under(self, pane))],
      },
    },
    [xs, ...lines],
    into,
  );
  return plot;
}

function inside(plot: uPlot, paint: (context: CanvasRenderingContext2D) => void): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  paint(ctx);
  ctx.restore();
}

function band(plot: uPlot, [low, high]: [number, number], fill: string): void {
  inside(plot, (ctx) => {
    const [top, bottom] = [plot.valToPos(high, "y", true), plot.valToPos(low, "y", true)];
    ctx.fillStyle = fill;
    ctx.fillRect(plot.bbox.left, top, plot.bbox.width, bottom - top);
  });
}

function inks(plot: uPlot, pane: Pane, sources: readonly string[], colour: (name: string) => string): void {
  const size = 4 * devicePixelRatio;
  inside(plot, (ctx) => {
    ctx.strokeStyle = ctx.fillStyle = colour("blue");
    for (const span of pane.spans) {
      const y = plot.valToPos(span.value, "y", true);
      ctx.lineWidth = 3 * devicePixelRatio;
      ctx.beginPath();
      ctx.moveTo(plot.valToPos(span.from, "x", true), y);
      ctx.lineTo(plot.valToPos(span.to, "x", true), y);
      ctx.stroke();
      ctx.fillRect(plot.valToPos(span.from, "x", true) - size / 2, y - size, size, 2 * size);
    }
    ctx.lineWidth = 1.5 * devicePixelRatio;
    for (const mark of pane.lines.flat()) {
      const [x, y] = [plot.valToPos(mark.at, "x", true), plot.valToPos(mark.value, "y", true)];
      if (mark.bound === null) shape(ctx, sources.indexOf(mark.source), x, y, size);
      else bound(ctx, mark, x, y, size, colour("text"));
    }
  });
}

/** Hollow, with what it is a bound of: "<5". */
function bound(ctx: CanvasRenderingContext2D, mark: Mark, x: number, y: number, size: number, text: string): void {
  ctx.beginPath();
  ctx.arc(x, y, size, 0, 2 * Math.PI);
  ctx.stroke();
  ctx.save();
  ctx.fillStyle = text;
  ctx.font = `${12 * devicePixelRatio}px system-ui, Arial, sans-serif`;
  ctx.fillText(mark.bound ?? "", x + 2 * size, y + size);
  ctx.restore();
}

/** One source, one shape, filled and then hollow: colour alone says nothing. */
export function shape(ctx: CanvasRenderingContext2D, source: number, x: number, y: number, size: number): void {
  const path = (...points: [number, number][]) => {
    ctx.beginPath();
    for (const [dx, dy] of points) ctx.lineTo(x + dx * size, y + dy * size);
    ctx.closePath();
    ink();
  };
  const ink = () => (source < SHAPES.length ? ctx.fill() : ctx.stroke());
  const stroke = (...ends: [number, number][]) => {
    ctx.beginPath();
    ends.forEach(([dx, dy], index) => (index % 2 ? ctx.lineTo(x + dx * size, y + dy * size) : ctx.moveTo(x + dx * size, y + dy * size)));
    ctx.stroke();
  };
  switch (SHAPES[source % SHAPES.length]) {
    case "square":
      return path([-1, -1], [1, -1], [1, 1], [-1, 1]);
    case "triangle":
      return path([0, -1.2], [1.2, 1], [-1.2, 1]);
    case "diamond":
      return path([0, -1.4], [1.4, 0], [0, 1.4], [-1.4, 0]);
    case "down":
      return path([0, 1.2], [1.2, -1], [-1.2, -1]);
    case "cross":
      return stroke([-1, -1], [1, 1], [-1, 1], [1, -1]);
    case "plus":
      return stroke([-1.3, 0], [1.3, 0], [0, -1.3], [0, 1.3]);
    case "bar":
      return stroke([0, -1.5], [0, 1.5], [-0.6, 0], [0.6, 0]);
    default:
      ctx.beginPath();
      ctx.arc(x, y, size, 0, 2 * Math.PI);
      return ink();
  }
}

function under(plot: uPlot, pane: Pane): string {
  const left = plot.cursor.left ?? -1;
  if (left < 0) return "";
  const near = (at: number) => Math.abs(plot.valToPos(at, "x") - left) <= GAP;
  const time = plot.posToVal(left, "x");
  const marks = pane.lines.flat().filter(({ at }) => near(at));
  const spans = pane.spans.filter(({ from, to }) => from <= time && time <= to);
  return [...marks, ...spans].map(({ words }) => words).join("; ");
}
