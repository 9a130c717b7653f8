/// The journey: what happened in every care setting, in order, by day, and what came out of what.
import { useMemo, useState } from "preact/hooks";
import type { Occurrence } from "../../types/sherwood";
import type { TimelineFragment, TimelinePageQueryVariables } from "../../types/viewer";
import page from "../documents/timeline-page.graphql";
import { Marks } from "../marks";
import { Pager } from "../pager";
import { Said } from "../said";
import { time } from "../words";
import { useChosenPages } from "./pages";
import { type Heard, Part, Unheard } from "./part";
import { denied, detail, kind, name, standing } from "./what";
import "./timeline.css";


type Edge = TimelineFragment["timeline"]["edges"][number];
type Chosen = Pick<TimelinePageQueryVariables, "since" | "newestFirst">;

interface Props {
  record: Partial<TimelineFragment>;
  sources: Heard | undefined;
}

export function Timeline({ record, sources }: Props) {
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const [shown, pages] = useChosenPages<TimelineFragment["timeline"]>({
    document: page,
    chosen,
    first: record.timeline,
    take: (patient: TimelineFragment) => patient.timeline,
    at: ({ edges, pageInfo }) => ({ shown: edges.length, end: pageInfo.hasNextPage ? pageInfo.endCursor : null }),
  });
  const choose = (change: Partial<Chosen>) => setChosen({ newestFirst: true, since: null, ...chosen, ...change });
  return (
    <Part title="Timeline" id="timeline" arrived={shown !== undefined} count={shown?.totalCount}>
      <form class="choices" aria-label="Choose what the timeline shows" onSubmit={(event) => event.preventDefault()}>
        <label>
          Since I last saw them
          <input type="date" onChange={({ currentTarget }) => choose({ since: currentTarget.value || null })} />
        </label>
        <label>
          Order
          <select onChange={({ currentTarget }) => choose({ newestFirst: currentTarget.value === "newest" })}>
            <option value="newest">Newest first</option>
            <option value="oldest">Oldest first</option>
          </select>
        </label>
      </form>
      {shown && <Unheard sources={sources} complete={shown.status === "COMPLETE"} />}
      {shown && shown.undatedCount > 0 && (
        <p>
          {shown.undatedCount} {shown.undatedCount === 1 ? "entry has" : "entries have"} no date and cannot stand here: see
          {" "}their sections.
        </p>
      )}
      {shown?.totalCount === 0 && (
        <p class="silence">Nothing {chosen?.since ? "since that day " : ""}was found in the sources that answered.</p>
      )}
      {shown && <Days edges={shown.edges} />}
      {shown && (
        <Pager title="Timeline" pages={pages} shown={shown.edges.length} total={shown.totalCount} />
      )}
    </Part>
  );
}

function Days({ edges }: { edges: readonly Edge[] }) {
  return useMemo(() => {
    const days: { day: string; edges: Edge[] }[] = [];
    for (const edge of edges) {
      const day = time({ ...edge.at, value: edge.at.value.slice(0, 10) });
      if (days.at(-1)?.day !== day) days.push({ day, edges: [] });
      days.at(-1)!.edges.push(edge);
    }
    return (
      <>
        {days.map((one) => (
          <div class="day" key={one.day}>
            <h3>{one.day}</h3>
            <ol role="list">
              {one.edges.map((edge) => (
                <Event key={edge.node.id} edge={edge} />
              ))}
            </ol>
          </div>
        ))}
      </>
    );
  }, [edges]);
}

const OCCURRENCE: Record<Occurrence, string | null> = {
  HAPPENED: null,
  PLANNED: "Planned: no source says that it took place",
  NOT_DONE: "Did not take place",
  MISSED: "Did not attend",
  RECORDED: "Began earlier, written down then",
  ENDED: "Ended",
};

const TONE: Partial<Record<Occurrence, string>> = { PLANNED: "blue", NOT_DONE: "red", MISSED: "red" };

function Event({ edge }: { edge: Edge }) {
  const { at, node, occurrence, followsFrom } = edge;
  const against = denied(node);
  const status = standing(node);
  const clock = at.value.includes("T") ? at.value.slice(11, 16) : null;
  const label = name(node);
  return (
    <li class={node.enteredInError ? "event withdrawn" : "event"}>
      <span class="clock">{clock ?? <span class="quiet">no time</span>}</span>
      <div>
        <p class="what">
          <span class="tag">{kind(node)}</span> {against && <span class="tag red">{against}</span>}{" "}
          {status && <span class="tag red">{status}</span>}{" "}
          {OCCURRENCE[occurrence] && <span class={`tag ${TONE[occurrence] ?? ""}`}>{OCCURRENCE[occurrence]}</span>}{" "}
          <Marks entry={node} /> <strong>{label}</strong>
        </p>
        {detail(node) && <p>{detail(node)}</p>}
        {at.zoneAssumed && clock && <p class="quiet">The source states no time zone: {at.zone} is assumed.</p>}
        {followsFrom.map((link) => (
          <p class="follows" key={link.entry.id + link.source.id}>
            Follows from: {kind(link.entry)}, {name(link.entry)} ({time(link.entry.when)}), says {link.source.name}
            {link.identifier?.value && `, number ${link.identifier.value}`}
          </p>
        ))}
      </div>
      <div class="setting">
        <Said entry={node} label={label} />
      </div>
    </li>
  );
}
