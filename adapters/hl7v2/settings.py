"""What the `settings` table of an HL7 v2 source may say."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from adapters.hl7v2.charset import CHARSETS
from adapters.sdk import NHS_NUMBER, Settings
from adapters.sdk.resources import PemFile

QueryName = Literal["demographics", "visits", "a19", "results"]
Version = Literal["2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8"]


class ReadingSettings(Settings):
    """What reading a message needs to know about its sender, whether it was asked for or sent unasked."""

    mrn_authority: str | None = None
    """CX.4 of the source's own patient number; without it the PID-3 repetition of type MR is taken."""
    mrn_system: str | None = None
    """URI of that number's system; with it the source can also be asked by an identifier of that system."""
    bare_number: bool = False
    """The source sends its own number bare: a PID-3 repetition with neither authority nor type is that number."""
    authorities: dict[str, str] = Field(default_factory=lambda: {"NHS": NHS_NUMBER})
    """Identifier system URIs by assigning authority (CX.4, EI.2); added to NHS."""
    code_systems: dict[str, str] = Field(default_factory=dict)
    """Code system URIs by the name that stands in CWE.3, where it is a local one."""
    no_known_allergy_codes: tuple[str, ...] = ()
    """Local AL1-3 codes that say that there is no known allergy."""
    charset: str = "UNICODE UTF-8"
    """MSH-18 of our own messages, and of theirs that have none."""
    max_frame_bytes: int = Field(default=16 * 1024 * 1024, ge=1024)
    """A longer message is refused."""

    @field_validator("charset")
    @classmethod
    def _known_charset(cls, value: str) -> str:
        if value not in CHARSETS:
            raise ValueError("write a name of HL7 table 0211, such as 'UNICODE UTF-8' or '8859/1'")
        return value

    @field_validator("authorities")
    @classmethod
    def _with_nhs(cls, value: dict[str, str]) -> dict[str, str]:
        return {"NHS": NHS_NUMBER, **value}

    def systems(self) -> dict[str, str]:
        """Identifier system URIs by assigning authority, the source's own number included."""
        own = {self.mrn_authority: self.mrn_system} if self.mrn_authority and self.mrn_system else {}
        return {**self.authorities, **own}


class Hl7v2Settings(ReadingSettings):
    """Where the source listens, what it can be asked, and whose identifiers it speaks."""

    host: str
    """Name or address of the source's query listener."""
    port: int = Field(ge=1, le=65535)
    tls: bool = False
    """Speak TLS; the source's name is checked against its certificate."""
    tls_ca: PemFile | None = None
    """File of the authority to trust, in place of the system's."""
    tls_cert: PemFile | None = None
    """File of our certificate (with its key, unless `tls_key` names another file)."""
    tls_key: PemFile | None = None
    sending_application: str = "SHERWOOD"
    sending_facility: str = "SHERWOOD"
    receiving_application: str = "PAS"
    receiving_facility: str = ""
    version: Version = "2.5"
    """MSH-12 of our questions."""
    queries: tuple[QueryName, ...] = ("demographics", "visits")
    """What the source answers: ITI-21, ITI-22, QRY^A19, QRY^R02."""
    find: bool = False
    """The source answers ITI-21 by names and birth date too: it takes part in searches."""
    ask_identifier_type: bool = False
    """Also send the identifier's type (@PID.3.5) in ITI-21 and ITI-22: some suppliers need it."""
    query_department: str = "ALL"
    """QRD-10 and QRF-1 of the older queries."""
    max_pages: int = Field(default=20, ge=1, le=1000)
    """Continuations (DSC) followed for one question; what is beyond is TRUNCATED."""
    max_connections: int = Field(default=2, ge=1, le=8)
    """Connections held at once for one patient."""
    check_nhs_number: str = "9990000018"
    """Whom `check` asks about: a test patient. The default is of the range that is never issued."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.queries or len(set(self.queries)) != len(self.queries):
            raise ValueError("queries: name each of demographics, visits, a19, results at most once, and at least one")
        if self.version.startswith("2.3") and {"demographics", "visits"} & set(self.queries):
            raise ValueError("queries: demographics and visits (QBP) exist since version 2.4; use 'a19' with 2.3")
        if self.find and "demographics" not in self.queries:
            raise ValueError("find: a search is an ITI-21 query: name 'demographics' among the queries")
        if (self.tls_ca or self.tls_cert or self.tls_key) and not self.tls:
            raise ValueError("tls: write tls = true where tls_ca, tls_cert or tls_key is given")
        if self.tls_key and not self.tls_cert:
            raise ValueError("tls_cert: a tls_key needs its certificate")
        return self
