/// One person's record: one query, whose parts are painted as they arrive.
import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";
import type * as T from "../types/viewer";
import { type Answer, Asked, type Identifier, useNow, useQuery } from "./client";
import document from "./documents/record.graphql";
import { failure, Problem } from "./failure";
import { SignIn } from "./find";
import { Alerts } from "./first/alerts";
import { Allergies } from "./first/allergies";
import { Banner } from "./first/banner";
import { Living, NextOfKin } from "./first/people";
import { CODES, Resuscitation } from "./first/resuscitation";
import { useFollowing } from "./following";
import { News } from "./news";
import { CareTeam } from "./sections/care-team";
import { Conditions } from "./sections/conditions";
import { Depth, type DepthFragments } from "./sections/depth";
import { KINDS } from "./sections/kinds";
import { PlainSection } from "./sections/plain";
import { Completeness, Sources } from "./sources";
import { count, wall } from "./words";

type First = T.PersonFragment &
  T.SourcesFragment &
  T.AllergiesFragment &
  T.AlertsFragment &
  T.ResuscitationFragment &
  T.KinFragment &
  T.LivingFragment;

/** A section is left out until it has arrived. */
type Later = Partial<
  First &
    DepthFragments &
    T.LinksFragment &
    T.VersionsFragment &
    T.CareTeamMembersFragment &
    T.ConditionsFragment &
    T.EncountersFragment &
    T.AppointmentsFragment &
    T.ReferralsFragment &
    T.DiagnosticReportsFragment &
    T.ImagingStudiesFragment &
    T.ProceduresFragment &
    T.ImmunizationsFragment &
    T.DocumentsFragment &
    T.CarePlansFragment &
    T.AssessmentsFragment &
    T.SocialHistoryFragment &
    T.CareTeamsFragment &
    T.RelatedPersonsFragment &
    T.ConsentsFragment &
    T.CommunicationsFragment
>;

/** What the query brings, part by part: `now` early, `patient` in full. */
interface Parts {
  now?: First | null;
  patient?: Later | null;
}

export function Record({ identifier, leave }: { identifier: Identifier; leave: () => void }) {
  const [turn, setTurn] = useState(0);
  const now = useNow();
  const answer = useQuery<Parts>(document, { identifier, resuscitation: CODES }, turn);
  const { data, error, waiting } = answer;
  const refused = !waiting && data?.patient === null;
  const shown: Partial<First> & Later = refused ? {} : { ...data?.now, ...data?.patient }; // early parts until their full ones are there
  const wrong = failure(error, waiting ? [] : data?.patient ? ["patient"] : ["patient", "now"]); // what was early may mend
  const again = () => setTurn(turn + 1);
  const at = useMemo(() => new Date(), [identifier, turn]);
  const said = waiting ? undefined : data?.patient?.versions;
  const following = useFollowing(identifier, said);
  return (
    <Asked.Provider value={{ identifier, turn, waiting, now }}>
      <Head leave={leave} again={again} progress={progressOf(answer)} waiting={waiting} at={at} />
      <main id="main" tabIndex={-1} aria-busy={waiting}>
        {wrong && <Problem {...wrong} />}
        {wrong?.code === "NOT_AUTHENTICATED" && <SignIn then={again} />}
        {shown.identifier ? (
          <Page shown={shown as Later & T.PersonFragment}>
            <News at={at} shown={said} waiting={waiting} following={following} again={again} />
          </Page>
        ) : (
          waiting && <p>Asking ...</p>
        )}
      </main>
    </Asked.Provider>
  );
}

interface HeadProps {
  leave: () => void;
  again: () => void;
  /** What is still to come, for those who cannot see it arrive. */
  progress: string;
  waiting: boolean;
  /** When it was asked for. */
  at: Date;
}

/** What is above the record: the way back, what is still to come, and how old this is. */
function Head({ leave, again, progress, waiting, at }: HeadProps) {
  return (
    <header>
      <button onClick={leave}>Find another person</button>
      <p role="status">{progress}</p>
      <p class="as-at">
        As at <time>{wall(at)}</time>
      </p>
      <button onClick={again} disabled={waiting}>
        Ask again
      </button>
    </header>
  );
}

function progressOf({ data, error, waiting }: Answer<Parts>): string {
  if (!waiting) return error && !data?.patient?.sources ? "There is no complete answer" : "All parts have arrived";
  if (data?.patient?.sources) return "Sections are still arriving";
  const pending = data?.now?.sources.filter(({ state }) => state === "PENDING").length ?? 0;
  return pending > 0 ? `${count(pending, "source")} still to answer` : "Asking the sources";
}

function Page({ shown, children }: { shown: Later & T.PersonFragment; children: ComponentChildren }) {
  return (
    <>
      <Banner record={shown}>{children}</Banner>
      <Completeness sources={shown.sources} />
      <div class="first">
        <Allergies record={shown} />
        <div>
          <Alerts record={shown} />
          <Resuscitation record={shown} />
          <NextOfKin record={shown} />
          <Living record={shown} />
        </div>
      </div>
      <Sources record={shown} />
      <CareTeam record={shown} />
      <Conditions record={shown} />
      <Depth record={shown} />
      <PlainSection kind={KINDS.encounters} record={shown} />
      <PlainSection kind={KINDS.appointments} record={shown} />
      <PlainSection kind={KINDS.referrals} record={shown} />
      <PlainSection kind={KINDS.diagnosticReports} record={shown} />
      <PlainSection kind={KINDS.imagingStudies} record={shown} />
      <PlainSection kind={KINDS.procedures} record={shown} />
      <PlainSection kind={KINDS.immunizations} record={shown} />
      <PlainSection kind={KINDS.documents} record={shown} />
      <PlainSection kind={KINDS.carePlans} record={shown} />
      <PlainSection kind={KINDS.assessments} record={shown} />
      <PlainSection kind={KINDS.socialHistory} record={shown} />
      <PlainSection kind={KINDS.careTeam} record={shown} />
      <PlainSection kind={KINDS.relatedPersons} record={shown} />
      <PlainSection kind={KINDS.consents} record={shown} />
      <PlainSection kind={KINDS.communications} record={shown} />
    </>
  );
}
