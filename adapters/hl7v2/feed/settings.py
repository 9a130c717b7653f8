"""What the `settings` table of an HL7 v2 feed may say."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from adapters.hl7v2.settings import ReadingSettings
from adapters.sdk.durable.server import Server, checked
from adapters.sdk.resources import PemFile, beside
from adapters.sdk.secrets import Secret

Family = Literal["ADT", "ORU", "SIU", "MDM", "RDE", "VXU", "REF"]

TYPES: dict[Family, frozenset[str]] = {
    "ADT": frozenset(
        {"Patient", "RelatedPerson", "Encounter", "AllergyIntolerance", "Condition", "Observation", "Procedure"}
    ),
    "ORU": frozenset({"Patient", "DiagnosticReport", "Observation"}),
    "SIU": frozenset({"Patient", "Appointment"}),
    "MDM": frozenset({"Patient", "DocumentReference"}),
    "RDE": frozenset({"Patient", "Medication"}),
    "VXU": frozenset({"Patient", "Immunization"}),
    "REF": frozenset({"Patient", "ServiceRequest"}),
}
"""The fact types that a source holds because it sends messages of a family."""


class ListenerFile(PemFile):
    """One that the listener reads. The gateway need not, and where it holds the key it had better not."""

    __slots__ = ()
    read_here = False


class FeedSettings(ReadingSettings):
    """Where the messages are kept, where they arrive, and what their sender's habits are."""

    store: str
    """What the listener writes and the gateway reads: the path of a SQLite file, relative to the folder of the
    configuration, or "postgresql://user@host/database". No other feed may keep its messages in it."""
    store_password: Secret | None = None
    """PostgreSQL: `env:NAME` or `file:path`; read whenever a connection is made."""
    store_tls: bool = False
    """PostgreSQL: speak TLS to the server, its name checked against its certificate."""
    store_ca: PemFile | None = None
    """Path of a PEM file: the only certificate authorities trusted for the server, instead of the system's."""
    host: str = "127.0.0.1"
    """Address on which the listener listens, and at which `check` looks for it."""
    port: int = Field(default=0, ge=0, le=65535)
    """Port of the listener; 0 takes a free one, and `check` then looks at the store alone."""
    tls_cert: ListenerFile | None = None
    """File of the listener's certificate: it then speaks TLS."""
    tls_key: ListenerFile | None = None
    tls_client_ca: ListenerFile | None = None
    """File of the authority whose certificates senders must show."""
    messages: tuple[Family, ...] = ("ADT", "ORU", "SIU", "MDM", "RDE", "VXU", "REF")
    """The families that the sender is known to send: what it never sends it does not hold."""
    types: tuple[str, ...] = ()
    """The fact types that it fills, of those that its families may carry; all of them unless named."""
    processing: tuple[Literal["P", "T", "D"], ...] = ("P",)
    """MSH-11 of messages that belong to the record: test and training messages do not."""
    expected_silence_s: int = Field(default=3600, ge=1)
    """Seconds without a message after which the feed counts as stalled."""
    max_connections_per_peer: int = Field(default=16, ge=1, le=1024)
    """Connections that one address may hold."""
    frame_deadline_s: float = Field(default=30.0, gt=0)
    """Seconds in which a frame that has begun must be complete."""
    idle_deadline_s: float = Field(default=86400.0, gt=0)
    """Seconds after which a connection on which nothing comes is closed."""
    max_messages: int = Field(default=20_000, ge=1)
    """Messages of one person that are read; with more, the newest are, and the answer is TRUNCATED."""

    @field_validator("store", mode="before")
    @classmethod
    def _a_file_or_a_server(cls, store: Any, info: ValidationInfo) -> Any:
        if isinstance(store, Path):
            store = str(store)
        if not isinstance(store, str) or not store:
            raise ValueError("write the path of a file, or postgresql://user@host/database")
        return checked(store) if "://" in store else beside(store, info)

    @field_validator("messages", "processing")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or len(set(value)) != len(value):
            raise ValueError("name each at most once, and at least one")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.tls_key or self.tls_client_ca) and not self.tls_cert:
            raise ValueError("tls_cert: tls_key and tls_client_ca need the listener's certificate")
        if self.store_ca is not None and not self.store_tls:
            raise ValueError("store_tls: write true where store_ca is given")
        if not self.on_server and (self.store_password is not None or self.store_tls):
            raise ValueError("store: a SQLite file has no password and no TLS")
        if strangers := set(self.types) - self._carried():
            raise ValueError(f"types: {sorted(strangers)[0]} is none that its messages carry")
        return self

    def _carried(self) -> frozenset[str]:
        return frozenset().union(*(TYPES[family] for family in self.messages))

    @property
    def on_server(self) -> bool:
        """True for PostgreSQL, false for a file."""
        return "://" in self.store

    @property
    def server(self) -> Server:
        """PostgreSQL: where it is."""
        return Server(url=self.store, password=self.store_password, tls=self.store_tls, ca=self.store_ca)

    @property
    def file(self) -> Path:
        """SQLite: the file."""
        return Path(self.store)

    @property
    def held_types(self) -> frozenset[str]:
        """The fact types that this source holds."""
        return frozenset(self.types) | {"Patient"} if self.types else self._carried()
