/// What an entry of any section is, in its own words: its kind, its name, what it states, and whether it came about.
import type { WhatFragment } from "../../types/viewer";
import { amount, value } from "./amounts";

const KIND: Record<WhatFragment["__typename"], string> = {
  AllergyIntolerance: "Allergy",
  Appointment: "Appointment",
  CarePlan: "Care plan",
  CareTeam: "Care team",
  Communication: "Message",
  Condition: "Problem",
  Consent: "Consent",
  DiagnosticReport: "Report",
  DocumentReference: "Document",
  Encounter: "Contact",
  Flag: "Alert",
  ImagingStudy: "Imaging",
  Immunization: "Immunisation",
  Medication: "Medicine",
  Observation: "Result",
  Patient: "Demographics",
  Procedure: "Procedure",
  QuestionnaireResponse: "Assessment",
  RelatedPerson: "Related person",
  ServiceRequest: "Referral",
  SocialHistory: "Social history",
};

export const MEDICINE = {
  STATEMENT: "Course",
  REQUEST: "Order",
  DISPENSE: "Supply",
  ADMINISTRATION: "Dose given",
} as const;

export function kind(entry: WhatFragment): string {
  if (entry.__typename !== "Medication") return KIND[entry.__typename];
  return notDone(entry.status) && entry.kind === "ADMINISTRATION" ? "Dose" : `Medicine: ${MEDICINE[entry.kind].toLowerCase()}`;
}

export function name(entry: WhatFragment): string {
  return named(entry) || `${KIND[entry.__typename]}, not named`;
}

function named(entry: WhatFragment): string | null | undefined {
  switch (entry.__typename) {
    case "Appointment":
      return entry.description ?? entry.service?.display;
    case "CarePlan":
      return entry.title ?? entry.description;
    case "CareTeam":
      return entry.teamName;
    case "Communication":
      return entry.payload.join(" ");
    case "Consent":
      return entry.description ?? entry.decision;
    case "DocumentReference":
      return entry.description ?? entry.type?.display;
    case "Encounter":
      return contact(entry);
    case "ImagingStudy":
      return entry.description;
    case "Immunization":
      return entry.vaccineCode?.display;
    case "Patient":
      return null;
    case "QuestionnaireResponse":
      return entry.questionnaire;
    case "RelatedPerson":
      return entry.names.map((one) => one.text ?? [...one.given, one.family].filter(Boolean).join(" "))[0];
    case "ServiceRequest":
      return entry.code?.display ?? entry.description;
    default:
      return entry.code?.display;
  }
}

/** HL7 v2 table 0004: what a hospital writes where others write a word. */
const CLASSES: Record<string, string> = {
  E: "Emergency",
  I: "Inpatient stay",
  O: "Outpatient",
  P: "Preadmission",
  R: "Recurring patient",
};

export function contact(entry: {
  types: readonly { display: string }[];
  encounterClass: { display: string } | null;
}): string | undefined {
  const said = [...entry.types, entry.encounterClass].flatMap((one) => one?.display ?? []);
  const word = said.find((one) => one.length > 2);
  const letter = entry.encounterClass?.display;
  return word ?? (letter && CLASSES[letter] ? `${CLASSES[letter]} (${letter})` : said[0]);
}

/** What it states beside its name; null where there is no more. */
export function detail(entry: WhatFragment): string | null {
  const parts = (() => {
    switch (entry.__typename) {
      case "AllergyIntolerance":
        return [entry.criticality && `criticality ${entry.criticality}`, entry.clinicalStatus];
      case "Appointment":
        return [entry.location];
      case "Communication":
        return [entry.sender?.name && `from ${entry.sender.name}`];
      case "Condition":
        return [entry.clinicalStatus];
      case "DiagnosticReport":
        return [entry.conclusion];
      case "Encounter":
        return [entry.serviceProvider, entry.location];
      case "Medication":
        return [amount(entry.dose), entry.dosage];
      case "Observation":
      case "SocialHistory":
        return [value(entry)];
      case "QuestionnaireResponse":
        return [entry.score && `score ${amount(entry.score)}`];
      case "ServiceRequest":
        return [entry.code && entry.description, entry.priority && entry.priority !== "routine" ? entry.priority : null];
      default:
        return [];
    }
  })();
  return parts.filter(Boolean).join("; ") || null;
}

/** What takes an entry back or denies it, said before its name; null where nothing does. */
export function denied(entry: WhatFragment): string | null {
  if (entry.enteredInError) return "Entered in error";
  if ("polarity" in entry && entry.polarity === "ABSENT") return "Stated as not there";
  const doubt = "verificationStatus" in entry ? entry.verificationStatus : null;
  if (doubt && doubt !== "confirmed") return doubt[0]!.toUpperCase() + doubt.slice(1);
  return null;
}

const notDone = (status: string | null) => status === "not-done";

/** What its status adds to what the timeline says of it: "Stopped", "On-hold", "Preliminary", "Cancelled"; else null. */
export function standing(entry: WhatFragment): string | null {
  const status = "status" in entry ? entry.status : null;
  return status !== null && ["stopped", "on-hold", "preliminary", "cancelled", "revoked"].includes(status)
    ? status[0]!.toUpperCase() + status.slice(1)
    : null;
}
