/// What the sources say by now that is not on the screen, or that nobody would tell: words, and never a new fact.
import type { Following, Versions } from "./following";
import { KINDS } from "./sections/kinds";
import { joined, sentence, wall } from "./words";

interface Props {
  /** When the record on the screen was asked for. */
  at: Date;
  /** What the sources said then; undefined where that did not arrive. */
  shown: Versions | undefined;
  waiting: boolean;
  following: Following;
  again: () => void;
}

export function News({ at, shown, waiting, following, again }: Props) {
  const { changed, unheard } = compared(shown ?? [], following.now);
  const told = joined(
    [
      changed.length > 0 && `Changed since ${wall(at)}: ${joined(changed, "; ")}. Ask again to see it`,
      unheard.length > 0 && `Not heard since ${wall(at)}: ${joined(unheard)}. What they say by now is not known`,
      following.state === "LOST" &&
        `This page does not follow what changes: ${lost(following.why)}. Ask again to be sure`,
      !waiting && !shown && "This page does not follow what changes: not all of the record arrived. Ask again",
    ],
    ". ",
  );
  return (
    <div class={told ? "news told" : "news"}>
      <p role="status">{told && `${told}.`}</p>
      {told ? <button onClick={again}>Ask again</button> : <p class="quiet">{waiting ? "" : QUIET[following.state]}</p>}
    </div>
  );
}

/** Where there is nothing to do. Nothing here says that nothing has changed: a source that is only asked tells nobody. */
const QUIET: { [state in Following["state"]]: string } = {
  NOT_YET: "What changes is not followed yet.",
  FOLLOWING: "When a source sends something new, you are told here. Others are heard when you ask again.",
  TRYING: "What changes is not followed at the moment: connecting again.",
  LOST: "",
};

function lost(code: string | null): string {
  if (code === null) return "the gateway cannot be reached";
  return WHY[code] ?? "the gateway says that it cannot tell";
}

const WHY: Record<string, string> = {
  NOT_AUTHENTICATED: "you are not signed in any more",
  ACCESS_DENIED: "what you may see has changed",
  TOO_MANY_AT_ONCE: "too many pages of yours do already",
};

/** What stands under another heading than its field's name. */
const TITLES: Record<string, string> = {
  patient: "the person’s details",
  conditions: "problems",
  medications: "medicines",
  observations: "results",
  flags: "alerts",
};

function title(section: string): string {
  return TITLES[section] ?? (KINDS[section as keyof typeof KINDS]?.title ?? sentence(section)).toLowerCase();
}

function isSilent({ state }: Versions[number]["sections"][number]): boolean {
  return state === "PENDING" || state === "UNAVAILABLE";
}

/** Source by source, in the order of the answer: "results, reports (Laboratory)"; and who was heard then and is not now. */
function compared(shown: Versions, now: Versions): { changed: string[]; unheard: string[] } {
  const known = new Map(
    shown.flatMap(({ source, sections }) => sections.map((one) => [`${source.id} ${one.section}`, one] as const)),
  );
  const changed: string[] = [];
  const unheard: string[] = [];
  for (const { source, sections } of now) {
    const other = sections
      .map((one) => ({ one, then: known.get(`${source.id} ${one.section}`) }))
      .filter(({ one, then }) => one.version !== then?.version);
    const heard = other.filter(({ one }) => !isSilent(one));
    if (heard.length > 0) changed.push(`${joined(heard.map(({ one }) => title(one.section)))} (${source.name})`);
    if (other.some(({ one, then }) => isSilent(one) && then && !isSilent(then))) unheard.push(source.name);
  }
  const named = new Set(now.map(({ source }) => source.id)); // a source may be taken out of the gateway's configuration
  const gone = shown.filter(({ source, sections }) => !named.has(source.id) && !sections.every(isSilent));
  unheard.push(...gone.map(({ source }) => source.name));
  return { changed, unheard };
}
