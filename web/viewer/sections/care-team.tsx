/// Who else is involved, how to reach them, and when they last saw the person.
import type { CareTeamMembersFragment } from "../../types/viewer";
import { Pager, useSlices } from "../pager";
import { NotYet } from "../section";
import { Contact } from "../value";
import { joined, sentence, time } from "../words";

type Member = CareTeamMembersFragment["careTeamMembers"][number];

const SHOWN = 12;

export function CareTeam({ record }: { record: Partial<CareTeamMembersFragment> }) {
  const all = record.careTeamMembers;
  const [shown, pages] = useSlices(all ?? [], SHOWN);
  const unheard = [...new Set(all?.flatMap((member) => member.unheard.map(({ name }) => name)))];
  return (
    <section id="care-team" class="card" aria-labelledby="care-team-title" aria-busy={all === undefined}>
      <h2 id="care-team-title">Who else is involved {all && <span class="count">{all.length}</span>}</h2>
      {all === undefined && <NotYet />}
      {all?.length === 0 && (
        <p class="silence">The sources that answered name nobody, which does not say that nobody is.</p>
      )}
      {unheard.length > 0 && (
        <p class="silence">There may be more, or a later contact: {unheard.join(", ")} did not answer completely, or knows nothing older.</p>
      )}
      {shown.length > 0 && (
        <table>
          <caption class="hidden">People and teams involved in this person’s care</caption>
          <thead>
            <tr>
              <th scope="col">Who</th>
              <th scope="col">How to reach them</th>
              <th scope="col">Last contact</th>
              <th scope="col">Named by</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((member, place) => (
              <tr key={place}>
                <th scope="row">
                  {joined([member.name, member.organization]) || "Not named"}
                  <small>{joined(member.roles)}</small>
                </th>
                <td data-label="How to reach them">
                  {member.telecom.map((way) => (
                    <div key={way.value}>
                      <Contact value={{ ...way, use: way.use === "work" ? null : way.use }} />
                    </div>
                  ))}
                  {member.telecom.length === 0 && "No source states a number"}
                </td>
                <td data-label="Last contact">{contact(member)}</td>
                <td data-label="Named by">{member.sources.map(({ name }) => name).join(", ")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <Pager title="Who else is involved" pages={pages} shown={shown.length} total={all?.length ?? 0} />
    </section>
  );
}

function contact({ contact: finding, lastContact }: Member): string {
  if (finding === "FOUND")
    return lastContact ? `${time(lastContact.when)} (${sentence(lastContact.__typename).toLowerCase()})` : "Found";
  return finding === "NOT_FOUND" ? "None found; every source answered" : "Cannot tell";
}
