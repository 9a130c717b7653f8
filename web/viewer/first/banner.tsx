/// Who this is: the first thing to check. What sources disagree on stands here too.
import type { ComponentChildren } from "preact";
import type { PersonFragment, SourcesFragment } from "../../types/viewer";
import { Conflicts, Said } from "../said";
import { age, joined, listed, nhsNumber, time } from "../words";

const NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number";

interface Props {
  record: PersonFragment & Partial<SourcesFragment>;
  /** What stands beside the name. */
  children: ComponentChildren;
}

export function Banner({ record, children }: Props) {
  const { identifier, patient } = record;
  if (!patient) return <Hidden record={record}>{children}</Hidden>;
  return (
    <section class="banner" aria-label="Patient">
      <div class="who">
        <h1>{listed(patient.names[0])}</h1>
        {children}
      </div>
      <dl>
        <Item name="Born">{born(patient)}</Item>
        <Item name="Gender">{patient.gender ?? "Not stated"}</Item>
        <Item name={identifier.system === NHS_NUMBER ? "NHS number" : "Number"}>
          {identifier.system === NHS_NUMBER ? nhsNumber(identifier.value) : identifier.value}{" "}
          {identifier.verified ? (
            <span class="tag green">✓ Verified by the authority</span>
          ) : (
            <span class="tag yellow">Not verified by the authority</span>
          )}
        </Item>
        {others(record).length > 0 && <Item name="Other NHS number">{others(record).map(nhsNumber).join(", ")}</Item>}
        <Item name="GP practice">{practice(patient)}</Item>
        <Item name="According to">
          <Said entry={patient} label="the person’s details" counted />
        </Item>
      </dl>
      <Deceased patient={patient} />
      <Conflicts entry={patient} />
    </section>
  );
}

/** Where nothing may be shown of who they are: the number alone, and why. */
function Hidden({ record, children }: Props) {
  const restricted = record.sources?.some(({ code }) => code === "PATIENT_RESTRICTED");
  return (
    <section class="banner" aria-label="Patient">
      <div class="who">
        <h1>{nhsNumber(record.identifier.value)}</h1>
        {children}
      </div>
      <p>
        {restricted
          ? "This person’s record is restricted: who and where they are is not shown."
          : "Nothing that says who this is has arrived."}
      </p>
    </section>
  );
}

function Item({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

type Patient = NonNullable<PersonFragment["patient"]>;

function Deceased({ patient }: { patient: Patient }) {
  if (!patient.deceased && !patient.deceasedAt) return null;
  return (
    <p class="deceased">
      <strong>Deceased</strong>
      {patient.deceasedAt ? `, ${time(patient.deceasedAt)}` : ", date not stated"}
    </p>
  );
}

/** "14 Jun 1968 (58 years)"; of somebody who died, the age at death where that is known. */
function born({ birthDate, deceased, deceasedAt }: Patient): string {
  if (!birthDate) return "Not stated";
  if (deceased || deceasedAt) {
    const then = deceasedAt && age(birthDate.value, new Date(deceasedAt.earliest));
    return joined([time(birthDate), then && `(died at ${then})`], " ");
  }
  const now = age(birthDate.value, new Date());
  return joined([time(birthDate), now && `(${now})`], " ");
}

/** Superseded numbers, and any other that a source has beside the one asked by. */
function others({ identifier, patient }: PersonFragment): string[] {
  const numbers = (patient?.identifiers ?? []).filter(
    ({ system, value }) => system === NHS_NUMBER && value !== identifier.value,
  );
  return [...new Set(numbers.map(({ value }) => value))];
}

/** Every practice and doctor that a source names as the registered one, each once, with how to ring them. */
function practice({ facts }: Patient): string {
  const said = new Map<string, string>();
  for (const { name, organization, telecom } of facts.flatMap(({ generalPractitioners }) => generalPractitioners)) {
    const phones = joined(telecom.map(({ value }) => value));
    for (const who of [organization, name]) if (who) said.set(who.toLowerCase(), said.get(who.toLowerCase()) ?? who);
    if (phones) said.set((organization ?? name ?? "").toLowerCase(), joined([organization ?? name, phones], " "));
  }
  return [...said.values()].join(", ") || "No source names one";
}
