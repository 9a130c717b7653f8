"""Ptolemy Vastergaard, invented: one patient with as many facts as are wanted, to see what size costs.

His hospital record is made when he is first asked for, so that nothing else pays for it. It is the same for the same
clock and number of facts: no other state goes into it. Twenty years of a long illness, mostly observations. Codes are
there to be many, not to be taken as terminology. Truth: FHIR R4, the resources named.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from adapters.demo.scale_facts import (
    BODIES,
    HOSPITAL_NUMBER,
    LOINC,
    OID,
    PATIENT_ID,
    SCT,
    TERMS,
    Resource,
    amount,
    coded,
    id_of,
    reference,
    referred,
    usual,
)
from adapters.demo.scale_terms import PANELS, VITALS, Measure
from adapters.sdk import NHS_NUMBER, SettingsError

VARIABLE = "SHERWOOD_DEMO_FACTS"
"""Environment variable: how many facts the record holds, his demographics not counted."""
USUAL_FACTS = 5_000
LEAST_FACTS, MOST_FACTS = 200, 200_000
NUMBER = "9992319488"
ASKED_BY = (NUMBER, HOSPITAL_NUMBER, PATIENT_ID)
"""Whatever a question about him may name him by."""
YEARS = timedelta(days=20 * 365)

_VERIFIED = {
    "url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus",
    "valueCodeableConcept": {
        "coding": [
            {
                "system": "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatus",
                "code": "01",
                "display": "Number present and verified",
            }
        ]
    },
}


def facts_wanted() -> int:
    """How many facts the environment asks for. Raises SettingsError that says what may be written."""
    said = os.environ.get(VARIABLE, str(USUAL_FACTS))
    if not (said.isascii() and said.isdigit() and LEAST_FACTS <= int(said) <= MOST_FACTS):
        raise SettingsError(f"{VARIABLE} is a whole number from {LEAST_FACTS} to {MOST_FACTS}")
    return int(said)


def demographics(now: datetime) -> Resource:
    """The Patient that the authority holds."""
    return {
        "resourceType": "Patient",
        "id": NUMBER,
        "meta": {
            "versionId": "7",
            "security": [{"system": f"{TERMS}/v3-Confidentiality", "code": "U", "display": "unrestricted"}],
        },
        **_person(now, "CANARY-OSPREY-77D2"),
        "generalPractitioner": [
            {
                "id": "gp-1",
                "type": "Organization",
                "identifier": {"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "Z81099"},
            }
        ],
    }


def record(now: datetime, facts: int) -> list[Resource]:
    """The hospital's whole record: that many facts, and whom and what they refer to. Parts are shared: not to be
    changed."""
    return list(Life(now, facts).resources())


def _person(now: datetime, canary: str) -> Resource:
    return {
        "identifier": [{"extension": [_VERIFIED], "system": NHS_NUMBER, "value": NUMBER}],
        "name": [{"id": "n-1", "use": "usual", "family": "Vastergaard", "given": ["Ptolemy"], "prefix": ["Mr"]}],
        "gender": "male",
        "birthDate": f"{now.astimezone(UTC).year - 74}-02-11",
        "address": [
            {
                "id": "a-1",
                "use": "home",
                "line": ["3 Ledger Reach", canary],
                "city": "Ravensbrook",
                "postalCode": "ZZ9 8LR",
            }
        ],
        "telecom": [{"id": "t-1", "system": "phone", "value": "07700 900731", "use": "mobile"}],
    }


class Life:
    """Twenty years, told backwards from now. Everything of one type is spread evenly over them."""

    def __init__(self, now: datetime, facts: int) -> None:
        self.now = now.astimezone(UTC).replace(microsecond=0)
        self.facts = facts
        self.chance = Random(int(NUMBER))  # noqa: S311 -- a record, not a secret
        self.counts = {kind: max(1, round(facts * share / 1000)) for kind, (share, _) in BODIES.items()}

    def resources(self) -> Iterator[Resource]:
        """Who he is, what his facts refer to, and exactly as many facts as were asked for."""
        number = {
            "use": "usual",
            "type": {"coding": [{"system": f"{TERMS}/v2-0203", "code": "MR"}]},
            "system": f"{OID}.1",
            "value": HOSPITAL_NUMBER,
        }
        person = _person(self.now, "CANARY-GANNET-0C61")
        yield {
            "resourceType": "Patient",
            "id": PATIENT_ID,
            "active": True,
            **person,
            "identifier": [number, *person["identifier"]],
        }
        yield from referred()
        made = 0
        for kind, count in self.counts.items():
            body = BODIES[kind][1]
            for n in range(count):
                yield {"resourceType": kind, "id": id_of(kind, n), **body(self, n, self.at(kind, n))}
            made += count
        results = (self.facts - made) * 6 // 10
        yield from self._laboratory(results)
        for n in range(self.facts - made - results - self.reports(results)):
            yield self._vital(n, self.facts - made - results)

    def at(self, kind: str, n: int) -> str:
        """When the nth of a kind was, the newest first."""
        return self.before(n, self.counts[kind])

    def before(self, n: int, count: int) -> str:
        """The nth of so many instants."""
        return (self.now - YEARS * (n + 1) / (count + 1)).replace(microsecond=0).isoformat()

    def encounter(self, kind: str, n: int) -> Resource:
        """The contact at about the time of the nth of a kind."""
        return reference("Encounter", n * self.counts["Encounter"] // self.counts[kind])

    def reports(self, results: int) -> int:
        """How many reports so many results come in."""
        whole, rest = divmod(results, sum(len(panel.measures) for panel in PANELS))
        count = whole * len(PANELS)
        for panel in PANELS:
            if rest <= 0:
                break
            count, rest = count + 1, rest - len(panel.measures)
        return count

    def _laboratory(self, results: int) -> Iterator[Resource]:
        """Samples, the results of each, and its report."""
        made, reports = 0, self.reports(results)
        for n in range(reports):
            panel, at = PANELS[n % len(PANELS)], self.before(n, reports)
            number = f"PV-{n:06d}"
            about = {"subject": reference("Patient"), "effectiveDateTime": at, "issued": at}
            specimen = reference("Specimen", n)
            yield {
                "resourceType": "Specimen",
                "id": id_of("Specimen", n),
                "accessionIdentifier": {"system": f"{OID}.32", "value": number},
                "type": coded(SCT, "119364003", "Serum specimen"),
                "subject": reference("Patient"),
                "collection": {"collectedDateTime": at},
            }
            names = []
            for measure in panel.measures[: results - made]:
                names.append(reference("Observation", made))
                yield {
                    "resourceType": "Observation",
                    "id": id_of("Observation", made),
                    "identifier": [{"system": f"{OID}.31", "value": f"{number}-{measure.code}"}],
                    "status": "final",
                    "category": [coded(f"{TERMS}/observation-category", "laboratory", "Laboratory")],
                    "code": coded(LOINC, measure.code, measure.display),
                    **about,
                    "performer": [reference("Organization", 1)],
                    "specimen": specimen,
                    **self._measured(measure),
                }
                made += 1
            yield {
                "resourceType": "DiagnosticReport",
                "id": id_of("DiagnosticReport", n),
                "identifier": [{"system": f"{OID}.31", "value": number}],
                "status": "final",
                "category": [coded(f"{TERMS}/v2-0074", "LAB", "Laboratory")],
                "code": coded(LOINC, panel.code, panel.display),
                **about,
                "performer": [reference("Organization", 1)],
                "specimen": [specimen],
                "result": names,
            }

    def _vital(self, n: int, count: int) -> Resource:
        """One reading at the bedside; of a blood pressure, both halves."""
        measures = VITALS[n % len(VITALS)]
        code = coded(LOINC, "85354-9", "Blood pressure panel") if len(measures) > 1 else None
        values = [{"code": coded(LOINC, m.code, m.display), **self._measured(m, False)} for m in measures]
        return {
            "resourceType": "Observation",
            "id": f"pv-vital-{n}",
            "status": "final",
            "category": [coded(f"{TERMS}/observation-category", "vital-signs", "Vital Signs")],
            "subject": reference("Patient"),
            "effectiveDateTime": self.before(n, count),
            "performer": [reference("Practitioner", n % 4)],
            **({"code": code, "component": values} if code else values[0]),
        }

    def _measured(self, measure: Measure, with_range: bool = True) -> Resource:
        """A value about the middle of the usual range, now and then outside it, with the digits of its test."""
        middle, width = (measure.low + measure.high) / 2, (measure.high - measure.low) / 3
        drawn = abs(Decimal(self.chance.gauss(float(middle), float(width))))
        value = drawn.quantize(measure.low)
        found: Resource = {"valueQuantity": amount(value, measure.unit, measure.ucum)}
        if with_range:
            found["referenceRange"] = usual(measure)
        return found
