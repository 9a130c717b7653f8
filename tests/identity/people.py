"""Invented people for the identity tests: a reference person and records that differ from it in one thing."""

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from adapters.sdk import NHS_NUMBER
from gateway.identity.nhs_number import check_digit
from gateway.identity.reference import ReferenceOrigin, ReferencePerson
from schema.model.clinical import Patient
from schema.model.values import Address, HumanName, Identifier
from schema.model.when import When

LONDON = ZoneInfo("Europe/London")


def nhs(serial: int) -> str:
    """The first valid number of the 999 range at or after this serial."""
    while (digit := check_digit(f"999{serial:06d}")) is None:
        serial += 1
    return f"999{serial:06d}{digit}"


NUMBER, OTHER, EARLIER = nhs(100), nhs(200), nhs(300)


def number(value: str = NUMBER, verified: bool | None = True, system: str | None = NHS_NUMBER) -> Identifier:
    return Identifier(system=system, value=value, verified=verified)


def name(given: str | tuple[str, ...] | None, family: str | None = "Harker", use: str | None = None) -> HumanName:
    return HumanName(given=(given,) if isinstance(given, str) else given or (), family=family, use=use)


def home(house: str = "12 Larch Close", postcode: str | None = "LS99 1ZZ") -> Address:
    return Address(lines=(house,), postal_code=postcode, use="home")


def born(text: str) -> When:
    return When.iso(text, LONDON)


def reference(**changes: Any) -> ReferencePerson:
    fields: dict[str, Any] = {
        "identifier": number(),
        "origin": ReferenceOrigin.AUTHORITY,
        "names": (name("Michael"),),
        "birth_date": date(1967, 3, 14),
        "gender": "male",
        "addresses": (home(),),
    }
    return ReferencePerson(**(fields | changes))


def record(native_id: str = "Patient/1", **changes: Any) -> Patient:
    """The reference person as a source holds them, but for the changes. `birth_date` may be text."""
    fields: dict[str, Any] = {
        "native_id": native_id,
        "subject": native_id,
        "identifiers": (number(),),
        "names": (name("Michael"),),
        "birth_date": "1967-03-14",
        "gender": "male",
        "addresses": (home(),),
    } | changes
    if isinstance(fields["birth_date"], str):
        fields["birth_date"] = born(fields["birth_date"])
    return Patient(**fields)
