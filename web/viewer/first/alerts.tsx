/// Alerts: what to know before going in, whose alert it is and how to ring them, and whether it was looked at since.
import type { AlertsFragment, PartyFragment } from "../../types/viewer";
import { Marks } from "../marks";
import { Pager, useSlices } from "../pager";
import { Said } from "../said";
import { Section } from "../section";
import { Contact } from "../value";
import { count, joined, period, sentence, time } from "../words";

type Flag = AlertsFragment["flags"]["entries"]["nodes"][number];

const SHOWN = 5;

export function Alerts({ record }: { record: Partial<AlertsFragment> }) {
  const all = record.flags?.entries.nodes ?? [];
  const over = all.filter((flag) => flag.enteredInError || (flag.status !== null && flag.status !== "active"));
  const [shown, pages] = useSlices(
    all.filter((flag) => !over.includes(flag)),
    SHOWN,
  );
  const beyond = (record.flags?.totalCount ?? 0) - all.length;
  return (
    <Section title="Alerts" id="alerts" section={record.flags}>
      {shown.map((flag) => (
        <Alert key={flag.id} flag={flag} />
      ))}
      <Pager title="Alerts" pages={pages} shown={shown.length} total={all.length - over.length} />
      {over.length > 0 && (
        <details>
          <summary>{count(over.length, "alert")} no longer in force</summary>
          {over.slice(0, SHOWN).map((flag) => (
            <Alert key={flag.id} flag={flag} over />
          ))}
          {over.length > SHOWN && <p>{count(over.length - SHOWN, "older one")} not shown here.</p>}
        </details>
      )}
      {beyond > 0 && <p class="silence">{count(beyond, "older alert")} not shown here.</p>}
    </Section>
  );
}

function Alert({ flag, over = false }: { flag: Flag; over?: boolean }) {
  const text = flag.code?.display || joined(flag.categories.map(({ display }) => display)) || "Alert without words";
  return (
    <div class={flag.enteredInError ? "withdrawn alert" : over ? "alert" : "alert warning"}>
      <p>
        <strong>{text}</strong> <Marks entry={flag} />
        {over && flag.status && <span class="tag grey">{sentence(flag.status)}</span>}
      </p>
      {otherwise(flag, text).map(([source, words]) => (
        <p key={words}>
          {words} <span class="quiet">({source})</span>
        </p>
      ))}
      <p class="quiet">
        {owners(flag).map((owner) => (
          <span key={owner.name}>
            <Owner owner={owner} />,{" "}
          </span>
        ))}
        {joined([period(flag.period), !over && reviewed(flag)])} <Said entry={flag} label={text} />
      </p>
    </div>
  );
}

/** What sources say of the same alert in other words: often that is what to do. */
function otherwise({ facts }: Flag, shown: string): [source: string, words: string][] {
  const all = facts.map(({ provenance, code }): [string, string] => [provenance.source.name, code?.display ?? shown]);
  return all.filter(([, words], place) => words !== shown && all.findIndex((other) => other[1] === words) === place);
}

function Owner({ owner }: { owner: PartyFragment }) {
  return (
    <>
      {joined([owner.name, owner.role, owner.organization])}
      {owner.telecom.map((way) => (
        <span key={way.value}>
          {" "}
          <Contact value={{ ...way, use: null }} />
        </span>
      ))}
    </>
  );
}

/** Whoever wrote it down, each telephone number once: two sources may name one person differently. */
function owners({ provenance }: Flag): PartyFragment[] {
  const authors = provenance.map(({ author }) => author).filter((author) => author !== null);
  const way = (author: PartyFragment) => author.telecom.map(({ value }) => value).join() || author.name;
  const longest = [...authors].sort((a, b) => joined([b.name, b.role]).length - joined([a.name, a.role]).length);
  return longest.filter((author, place) => longest.findIndex((other) => way(other) === way(author)) === place);
}

function reviewed({ review }: Flag): string {
  if (!review) return "no review date stated";
  const overdue = Date.parse(review.latest) < Date.now();
  return overdue ? `review overdue since ${time(review)}` : `to be reviewed on ${time(review)}`;
}
