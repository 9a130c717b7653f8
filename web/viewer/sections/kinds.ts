/// What a line of each plain section says.
import appointments from "../documents/appointments.graphql?page";
import assessments from "../documents/assessments.graphql?page";
import carePlans from "../documents/care-plans.graphql?page";
import careTeams from "../documents/care-teams.graphql?page";
import communications from "../documents/communications.graphql?page";
import consents from "../documents/consents.graphql?page";
import diagnosticReports from "../documents/diagnostic-reports.graphql?page";
import documents from "../documents/documents.graphql?page";
import encounters from "../documents/encounters.graphql?page";
import imagingStudies from "../documents/imaging-studies.graphql?page";
import immunizations from "../documents/immunizations.graphql?page";
import procedures from "../documents/procedures.graphql?page";
import referrals from "../documents/referrals.graphql?page";
import relatedPersons from "../documents/related-persons.graphql?page";
import socialHistory from "../documents/social-history.graphql?page";
import type * as T from "../../types/viewer";
import { stated } from "../first/people";
import { quantity } from "../value";
import { count, joined, period, spoken, time } from "../words";
import type { Kind } from "./plain";

type Concepts = readonly { display: string }[];
type Parties = readonly { name: string | null; role: string | null; organization: string | null }[];

const names = (concepts: Concepts) => joined(concepts.map(({ display }) => display));
const who = (parties: Parties) =>
  joined(
    parties.map(({ name, role, organization }) => joined([name, role, organization])),
    "; ",
  );

/** One source says "E" where another says "Emergency": the longer words tell more, and both are a click away. */
const longest = (words: string[]) => words.reduce((best, one) => (one.length > best.length ? one : best), "");

/** The entry type of a fragment's section. */
type Of<Fragment, Key extends keyof Fragment> = Fragment[Key] extends { entries: { nodes: readonly (infer One)[] } }
  ? One
  : never;

function kind<Fragment>() {
  return <Key extends keyof Fragment & string>(one: Kind<Key, Of<Fragment, Key>>) => one;
}

export const KINDS = {
  encounters: kind<T.EncountersFragment>()({
    key: "encounters",
    title: "Contacts and stays",
    page: encounters,
    line: (e) => ({
      title: longest(
        e.facts.map((f) =>
          joined([names(f.types) || f.service?.display || f.encounterClass?.display, f.serviceProvider]),
        ),
      ),
      words: joined(
        [period(e.period), e.location, names(e.reasons), who(e.participants), e.dischargeDisposition?.display],
        ". ",
      ),
      status: e.status,
    }),
  }),
  appointments: kind<T.AppointmentsFragment>()({
    key: "appointments",
    title: "Appointments",
    page: appointments,
    line: (a) => ({
      title: a.service?.display ?? a.description ?? "Appointment",
      words: joined(
        [
          a.period?.end && period(a.period),
          a.service && a.description,
          a.location,
          who(a.participants),
          names(a.reasons),
        ],
        ". ",
      ),
      status: a.status,
    }),
  }),
  referrals: kind<T.ReferralsFragment>()({
    key: "referrals",
    title: "Referrals",
    page: referrals,
    line: (r) => ({
      title: r.code?.display ?? names(r.categories),
      words: joined(
        [r.description, who(r.performers) && `To ${who(r.performers)}`, names(r.reasons), r.priority],
        ". ",
      ),
      status: r.status,
    }),
  }),
  diagnosticReports: kind<T.DiagnosticReportsFragment>()({
    key: "diagnosticReports",
    title: "Reports",
    page: diagnosticReports,
    line: (r) => ({
      title: r.code?.display ?? names(r.categories),
      words: joined([r.conclusion, names(r.conclusionCodes)], ". "),
      status: r.status,
    }),
  }),
  imagingStudies: kind<T.ImagingStudiesFragment>()({
    key: "imagingStudies",
    title: "Imaging",
    page: imagingStudies,
    line: (i) => ({
      title: i.description ?? joined([names(i.procedures), names(i.modalities)]),
      words: joined(
        [
          names(i.modalities),
          names(i.bodySites),
          i.instanceCount !== null && count(i.instanceCount, "image"),
          names(i.reasons),
        ],
        ". ",
      ),
      status: i.status,
    }),
  }),
  procedures: kind<T.ProceduresFragment>()({
    key: "procedures",
    title: "Procedures",
    page: procedures,
    line: (p) => ({
      title: p.code?.display ?? "Procedure",
      words: joined([names(p.bodySites), p.outcome?.display, p.statusReason?.display], ". "),
      status: p.status,
    }),
  }),
  immunizations: kind<T.ImmunizationsFragment>()({
    key: "immunizations",
    title: "Immunisations",
    page: immunizations,
    line: (i) => ({
      title: `${i.status === "not-done" ? "Not given: " : ""}${i.vaccineCode?.display ?? "Vaccine not named"}`,
      words: joined([
        i.doseNumber && `Dose ${i.doseNumber}`,
        i.manufacturer,
        i.lotNumber && `batch ${i.lotNumber}`,
        i.site?.display,
        i.statusReason?.display,
      ]),
      status: i.status,
    }),
  }),
  documents: kind<T.DocumentsFragment>()({
    key: "documents",
    title: "Documents",
    page: documents,
    line: (d) => ({
      title: d.type?.display ?? d.description ?? names(d.categories),
      words: joined([d.description, period(d.period), joined(d.contents.map(({ title }) => title))], ". "),
      status: d.documentStatus ?? d.status,
    }),
  }),
  carePlans: kind<T.CarePlansFragment>()({
    key: "carePlans",
    title: "Care plans",
    page: carePlans,
    line: (p) => ({
      title: p.title ?? names(p.categories),
      words: joined([p.description, ...p.activities, ...p.goals, period(p.period)], ". "),
      status: p.status,
    }),
  }),
  assessments: kind<T.AssessmentsFragment>()({
    key: "assessments",
    title: "Assessments",
    page: assessments,
    line: (a) => ({
      title: joined([a.questionnaire ?? "Assessment", a.score && `score ${quantity(a.score)}`]),
      words: a.items.length > 0 ? `${count(a.items.length, "question")} answered` : "",
      status: a.status,
    }),
  }),
  socialHistory: kind<T.SocialHistoryFragment>()({
    key: "socialHistory",
    title: "Social history",
    page: socialHistory,
    line: (s) => ({ title: s.code?.display ?? "Not named", words: stated(s), status: s.status }),
  }),
  careTeam: kind<T.CareTeamsFragment>()({
    key: "careTeam",
    title: "Care teams as recorded",
    page: careTeams,
    line: (t) => ({
      title: t.name ?? names(t.categories),
      words: joined([who(t.participants), period(t.period), names(t.reasons)], ". "),
      status: t.status,
    }),
  }),
  relatedPersons: kind<T.RelatedPersonsFragment>()({
    key: "relatedPersons",
    title: "Related people",
    page: relatedPersons,
    line: (p) => ({
      title: spoken(p.names[0]),
      words: joined([names(p.relationships), joined(p.telecom.map(({ value }) => value)), period(p.period)], ". "),
      status: p.active === false ? "inactive" : null,
    }),
  }),
  consents: kind<T.ConsentsFragment>()({
    key: "consents",
    title: "Consents",
    page: consents,
    line: (c) => ({
      title: c.scope?.display ?? names(c.categories),
      words: joined(
        [
          c.decision && `Decision: ${c.decision}`,
          c.description,
          names(c.categories),
          c.date && time(c.date),
          period(c.period),
        ],
        ". ",
      ),
      status: c.status,
    }),
  }),
  communications: kind<T.CommunicationsFragment>()({
    key: "communications",
    title: "Messages",
    page: communications,
    line: (c) => ({
      title: joined([names(c.categories) || "Message", c.medium?.display]),
      words: joined(
        [c.sender && `From ${who([c.sender])}`, who(c.recipients) && `to ${who(c.recipients)}`, ...c.payload],
        ". ",
      ),
      status: c.status,
    }),
  }),
};
