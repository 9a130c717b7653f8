"""Who is asking, for what purpose, and what of the answer they may see. Decided before any source is called.

    Access.authenticate(headers)            -> Actor     raises NotAuthenticated
    Access.decide(actor, purpose, subject)  -> Policy    raises AccessDenied, UnknownPurpose

The purpose is a code of HL7 v3 PurposeOfUse (value set 2.16.840.1.113883.1.11.20448); confidentiality labels are HL7 v3
Confidentiality. Facts are filtered by the policy before they are merged or counted (MERGE.md section 2).
"""

import hashlib
import hmac
import ipaddress
import json
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Protocol

from msgspec import Struct

from adapters.sdk import Actor
from schema.model.clinical import Patient
from schema.model.fact import Fact
from schema.model.values import Coding, Identifier

PURPOSES = frozenset(
    {
        # treatment
        *("TREAT", "ETREAT", "BTG", "ERTREAT", "CAREMGT", "COC", "POPHLTH", "CLINTRL"),
        # operations
        *("HOPERAT", "DONAT", "FRAUD", "GOV", "HACCRED", "HCOMPL", "HDECD", "HDIRECT", "HDM", "HLEGAL", "HOUTCOMS"),
        *("HPRGRP", "HQUALIMP", "HSYSADMIN", "LABELING", "METAMGT", "MEMADMIN", "MILCDM", "PATADMIN", "PATSFTY"),
        *("PERFMSR", "RECORDMGT", "SYSDEV", "HTEST", "TRAIN"),
        # payment
        *("HPAYMT", "CLMATTCH", "COVAUTH", "COVERAGE", "ELIGDTRM", "ELIGVER", "ENROLLM", "MILDCRG", "REMITADV"),
        # research, public health, the patient's own request, marketing
        *("HRESCH", "BIORCH", "CLINTRCH", "CLINTRCHNPC", "CLINTRCHPC", "DSRCH", "POARCH", "PRECLINTRCH", "TRANSRCH"),
        *("PUBHLTH", "DISASTER", "THREAT", "PATRQT", "FAMRQT", "PWATRNY", "SUPNWK", "HMARKT"),
    }
)
"""HL7 v3 PurposeOfUse."""

CONFIDENTIALITY = frozenset(
    {
        "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
        "http://hl7.org/fhir/v3/Confidentiality",
        "urn:oid:2.16.840.1.113883.5.25",
        "2.16.840.1.113883.5.25",
    }
)
"""The confidentiality system under every URI it has had; CDA writes the bare OID."""


class NotAuthenticated(Exception):
    """Nobody we know is asking. The message says what to send, never what was sent."""

    code = "NOT_AUTHENTICATED"
    issue_type = "login"


class AccessDenied(Exception):
    """We know who is asking, and they may not."""

    code = "ACCESS_DENIED"
    issue_type = "forbidden"


class UnknownPurpose(Exception):
    """The stated purpose is no code of HL7 v3 PurposeOfUse."""

    code = "PURPOSE_UNKNOWN"
    issue_type = "code-invalid"


class AccessSetup(Exception):
    """The configuration of access is wrong; the message says what to write."""


class Verdict(Enum):
    """What the viewer sees of a fact."""

    SHOW = "show"
    MASK = "mask"
    """Its content is gone and not counted; that the source holds something back is said."""
    HIDE = "hide"
    """No trace of it."""


class Policy(Struct, frozen=True, kw_only=True):
    """What one caller may see. Two policies with the same `digest` show the same of everything."""

    deny_sources: frozenset[str] = frozenset()
    """Sources the viewer sees no trace of."""
    restricted: bool = False
    """Whether facts labelled restricted (R) or very restricted (V) are shown."""

    def may_ask(self, source_id: str) -> bool:
        """Whether the source may be called for this viewer at all."""
        return source_id not in self.deny_sources

    def verdict(self, source_id: str, fact: Fact) -> Verdict:
        """What the viewer sees of this fact of this source."""
        if source_id in self.deny_sources:
            return Verdict.HIDE
        return Verdict.SHOW if self.restricted or not is_restricted(fact) else Verdict.MASK

    @property
    def digest(self) -> str:
        """Stable over processes and versions of Python: a part of every cache key."""
        canonical = json.dumps(["policy/1", sorted(self.deny_sources), self.restricted], ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


class Access(Protocol):
    """Who may ask what. An implementation answers alike, in content and time, whether or not the patient exists."""

    def authenticate(self, headers: Mapping[str, str]) -> Actor:
        """The caller, from the request's headers (names in any case). Raises NotAuthenticated."""
        ...

    def decide(self, actor: Actor, purpose: str, subject_identifier: Identifier) -> Policy:
        """What this caller may see of this person. Raises AccessDenied or UnknownPurpose."""
        ...

    def require_steward(self, actor: Actor) -> None:
        """Raises AccessDenied unless this caller may decide whose a record is, and see what waits for that."""
        ...


class Grant(Struct, frozen=True, kw_only=True):
    """What the bearer of a token is and may do."""

    user: str
    role: str
    organization: str
    name: str = ""
    purposes: tuple[str, ...] = ("TREAT",)
    deny_sources: tuple[str, ...] = ()
    restricted: bool = False
    steward: bool = False

    @property
    def actor(self) -> Actor:
        """The caller as sources and audit know them."""
        return Actor(user=self.user, role=self.role, organization=self.organization, name=self.name)

    @property
    def policy(self) -> Policy:
        """What the caller sees."""
        return Policy(deny_sources=frozenset(self.deny_sources), restricted=self.restricted)


MIN_TOKEN = 20
"""Characters of a token: a stored hash of a shorter one could be guessed back."""


class StaticTokens:
    """Callers with fixed bearer tokens (RFC 6750). Of the tokens themselves only SHA-256 hashes are kept."""

    def __init__(self, tokens: Iterable[tuple[str, Grant]]) -> None:
        """Raises AccessSetup for a token that is short or given twice, and for a user with two different grants."""
        self._hashes: list[tuple[bytes, Grant]] = []
        self._grants: dict[Actor, Grant] = {}
        for token, grant in tokens:
            self._add(token, grant)

    def _add(self, token: str, grant: Grant) -> None:
        if len(token) < MIN_TOKEN:
            raise AccessSetup(f"the token of user {grant.user!r} is shorter than {MIN_TOKEN} characters")
        unknown = sorted(set(grant.purposes) - PURPOSES)
        if unknown:
            raise AccessSetup(f"purpose {unknown[0]!r} of user {grant.user!r} is no HL7 v3 PurposeOfUse code")
        hashed = _hash(token)
        if any(hmac.compare_digest(hashed, known) for known, _ in self._hashes):
            raise AccessSetup(f"the token of user {grant.user!r} is given twice")
        if self._grants.setdefault(grant.actor, grant) != grant:
            raise AccessSetup(f"user {grant.user!r} has two tokens with different rights: give them different roles")
        self._hashes.append((hashed, grant))

    def authenticate(self, headers: Mapping[str, str]) -> Actor:
        """As `Access.authenticate`. Every token is compared, in constant time, whichever matches."""
        scheme, _, token = _header(headers, "authorization").partition(" ")
        presented = _hash(token.strip())
        found: Grant | None = None
        for known, grant in self._hashes:
            if hmac.compare_digest(presented, known):
                found = grant
        if found is None or scheme.casefold() != "bearer":
            raise NotAuthenticated("send a token that this gateway knows: Authorization: Bearer <token>")
        return found.actor

    def decide(self, actor: Actor, purpose: str, subject_identifier: Identifier) -> Policy:
        """As `Access.decide`. The grant decides alone: who the subject is changes nothing."""
        require_purpose(purpose)
        grant = self._grants.get(actor)
        if grant is None:
            raise AccessDenied("this caller has no grant here")
        if purpose not in grant.purposes:
            raise AccessDenied(f"this caller may not ask for the purpose {purpose}")
        return grant.policy

    def require_steward(self, actor: Actor) -> None:
        """As `Access.require_steward`: nobody is one who was not made one, by name."""
        grant = self._grants.get(actor)
        if grant is None or not grant.steward or not grant.user.strip():
            raise AccessDenied("this caller may not decide whose a record is")


class LocalOnly:
    """No authentication, for trying things out: valid only for a gateway that listens on loopback.

    A request that names another host (a web page that rebinds its name to this machine) or that came through a proxy
    is refused all the same.
    """

    ACTOR = Actor(user="demo", role="Clinician", organization="Demonstration", name="Demonstration user")

    def __init__(self, host: str) -> None:
        """`host` is the address the gateway listens on. Raises AccessSetup when it is not a loopback address."""
        if not is_loopback(host):
            raise AccessSetup("without [[access.tokens]] the gateway listens on loopback only: set host to 127.0.0.1")

    def authenticate(self, headers: Mapping[str, str]) -> Actor:
        """As `Access.authenticate`."""
        if _header(headers, "forwarded") or _header(headers, "x-forwarded-for"):
            raise NotAuthenticated("this gateway has no tokens configured and cannot be used through a proxy")
        host = _header(headers, "host")
        if not is_loopback(_without_port(host)):
            raise NotAuthenticated("this gateway answers this machine only: call it as 127.0.0.1 or localhost")
        return self.ACTOR

    def decide(self, actor: Actor, purpose: str, subject_identifier: Identifier) -> Policy:
        """As `Access.decide`: everything but what is labelled restricted."""
        require_purpose(purpose)
        if actor != self.ACTOR:
            raise AccessDenied("this caller has no grant here")
        return Policy()

    def require_steward(self, actor: Actor) -> None:
        """As `Access.require_steward`. A decision names a person, and nobody knows who is at the keyboard."""
        raise AccessDenied(
            "nobody can be named as the steward where there are no access tokens: decide at the command line, "
            "with `sherwood link` or `sherwood unlink` and --by"
        )


def require_purpose(purpose: str) -> None:
    """Raises UnknownPurpose, which says what may be written, when it is no PurposeOfUse code."""
    if purpose not in PURPOSES:
        raise UnknownPurpose(
            "the purpose is a code of HL7 v3 PurposeOfUse, such as TREAT (treatment), ETREAT (emergency treatment), "
            "CAREMGT (care management), PATRQT (the patient's own request) or HOPERAT (operations)"
        )


def is_restricted(fact: Fact) -> bool:
    """Labelled R or V, or demographics that the source marks as restricted. A label without a system counts too."""
    if isinstance(fact, Patient) and fact.restricted:
        return True
    return any(_means_restricted(label) for label in fact.security_labels)


def _means_restricted(label: Coding) -> bool:
    return (label.system is None or label.system in CONFIDENTIALITY) and (label.code or "").strip().upper() in (
        "R",
        "V",
    )


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
