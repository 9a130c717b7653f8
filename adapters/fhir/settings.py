"""What a deployment may write under `settings` for a source of kind `fhir`."""

from typing import Literal

from pydantic import Field, model_validator

from adapters.fhir.reading import PARAMETERS
from adapters.sdk import NHS_NUMBER, HttpSettings
from schema.model.clinical import FACT_TYPES

PLACEHOLDER_ASID = "000000000000"

_GP_RECORD = frozenset({"Patient", "SocialHistory", *PARAMETERS.values()})
_PDS = frozenset({"Patient"})


class FhirSettings(HttpSettings):
    """Settings of a FHIR source. README.md beside this file explains each."""

    version: Literal["R4", "STU3"] = "R4"
    """The release that the server speaks. GP Connect is always STU3, PDS always R4."""
    profile: Literal["search", "gpconnect", "pds"] = "search"
    """How it is asked: a search for each type, the GP Connect structured record, or a PDS read."""
    types: tuple[str, ...] | None = None
    """The fact types it holds; by default all that the profile can give."""
    not_offered: tuple[str, ...] = ()
    """Resource types that a server of profile `search` does not have, such as "MedicationAdministration"."""
    patient_identifier_system: str = NHS_NUMBER
    """The identifier system by which the source knows patients."""
    page_size: int = Field(default=100, ge=1, le=1000)
    """Entries asked for in one page (`_count`)."""
    max_pages: int = Field(default=20, ge=1, le=1000)
    """Pages fetched of one search; what is beyond is marked TRUNCATED."""
    max_parallel: int = Field(default=6, ge=1, le=32)
    """Searches under way at once for one patient."""
    include: bool = True
    """Ask for the people, places and products that results refer to (`_include`)."""
    find: bool = False
    """The server can be searched by names and birth date (`Patient?family=&birthdate=`): not so with GP Connect."""
    test_patient: str | None = None
    """An NHS number, never a real person's, that `check` reads for profile `pds`."""

    send_jwt: bool = True
    """GP Connect: send the unsigned token that names user, role, organisation and reason."""
    issuer: str = "https://sherwood.invalid/"
    """GP Connect token: address of this deployment (`iss`)."""
    audience: str | None = None
    """GP Connect token: the provider's endpoint (`aud`); by default `base_url`."""
    requesting_organization_ods: str | None = None
    """GP Connect token: ODS code of the organisation that asks; by default the actor's organisation."""
    requesting_organization_name: str = "Sherwood gateway"
    """GP Connect token: its name."""
    device: str = "sherwood-gateway"
    """GP Connect token: local identifier of this installation."""
    ssp_from: str = PLACEHOLDER_ASID
    """GP Connect: ASID of this deployment (header Ssp-From)."""
    ssp_to: str = PLACEHOLDER_ASID
    """GP Connect: ASID of the practice's system (header Ssp-To)."""
    medication_from: str | None = Field(default=None, pattern=r"^\d{4}-\d{2}-\d{2}$")
    """GP Connect: leave out courses that ended before this date."""

    @model_validator(mode="after")
    def _known_types(self) -> "FhirSettings":
        unknown = set(self.types or ()) - set(FACT_TYPES)
        if unknown:
            raise ValueError(f"types: unknown {sorted(unknown)}; known: {sorted(FACT_TYPES)}")
        if self.find and self.profile == "gpconnect":
            raise ValueError("find: a GP Connect provider is asked by NHS number alone")
        beyond = set(self.types or ()) - self.possible_types
        if beyond:
            raise ValueError(f"types: profile {self.profile!r} cannot give {sorted(beyond)}")
        return self

    @property
    def possible_types(self) -> frozenset[str]:
        """Every fact type that the profile can give."""
        return {"gpconnect": _GP_RECORD, "pds": _PDS, "search": frozenset(FACT_TYPES)}[self.profile]

    @property
    def held_types(self) -> frozenset[str]:
        """The fact types this source is asked for; Patient is always one."""
        return frozenset(self.types) | {"Patient"} if self.types is not None else self.possible_types
