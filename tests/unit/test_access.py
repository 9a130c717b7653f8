"""Access: who is known, what they may ask for, and what of the answer they see."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.sdk import NHS_NUMBER, Actor
from gateway.access import (
    MIN_TOKEN,
    AccessDenied,
    AccessSetup,
    Grant,
    LocalOnly,
    NotAuthenticated,
    Policy,
    StaticTokens,
    UnknownPurpose,
    Verdict,
)
from schema.model.clinical import Condition, Patient
from schema.model.fact import Fact
from schema.model.values import Coding, Identifier

WARD, CLERK = "ward-token-0123456789abcdef", "clerk-token-0123456789abcdef"
SUBJECT = Identifier(system=NHS_NUMBER, value="9990001006")
GRANT = Grant(user="jacky", name="Jacky", role="Ward sister", organization="RXX", purposes=("TREAT", "ETREAT"))
LIMITED = Grant(
    user="clerk", role="Clerk", organization="RXX", purposes=("PATADMIN",), deny_sources=("gum",), restricted=True
)
V3 = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


@pytest.fixture
def access() -> StaticTokens:
    return StaticTokens([(WARD, GRANT), (CLERK, LIMITED)])


def labelled(system: str | None, code: str | None) -> Condition:
    return Condition(native_id="Condition/1", subject="Patient/1", security_labels=(Coding(system=system, code=code),))


@pytest.mark.parametrize("header", ["Authorization", "authorization", "AUTHORIZATION"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_known_token_names_its_bearer(access: StaticTokens, header: str, scheme: str) -> None:
    actor = access.authenticate({"Accept": "*/*", header: f"{scheme} {WARD}"})
    assert actor == Actor(user="jacky", role="Ward sister", organization="RXX", name="Jacky")


@pytest.mark.parametrize(
    "value",
    [None, "", "Bearer", "Bearer ", f"Bearer {WARD}x", f"Bearer {WARD[:-1]}", WARD, f"Basic {WARD}", "Bearer \udcff"],
)
def test_anything_else_is_refused_and_never_quoted(access: StaticTokens, value: str | None) -> None:
    with pytest.raises(NotAuthenticated) as caught:
        access.authenticate({} if value is None else {"authorization": value})
    assert WARD[:-1] not in str(caught.value)


def test_no_token_is_kept(access: StaticTokens) -> None:
    kept = repr([vars(access), [hashed for hashed, _ in access._hashes]])
    assert WARD not in kept
    assert CLERK not in kept


def test_the_purpose_must_be_a_code_and_be_granted(access: StaticTokens) -> None:
    jacky = access.authenticate({"authorization": f"Bearer {WARD}"})
    assert access.decide(jacky, "ETREAT", SUBJECT) == Policy()
    with pytest.raises(AccessDenied, match="HRESCH"):
        access.decide(jacky, "HRESCH", SUBJECT)
    for unknown in ("", "treat", "NOSINESS"):
        with pytest.raises(UnknownPurpose, match="TREAT"):
            access.decide(jacky, unknown, SUBJECT)
    with pytest.raises(AccessDenied):
        access.decide(Actor(user="jacky", role="Director", organization="RXX"), "TREAT", SUBJECT)


@pytest.mark.parametrize(
    ("tokens", "says"),
    [
        ([("tok-0123456789", GRANT)], str(MIN_TOKEN)),
        ([(WARD, GRANT), (WARD, LIMITED)], "twice"),
        (
            [(WARD, GRANT), (CLERK, Grant(user="jacky", name="Jacky", role="Ward sister", organization="RXX"))],
            "different rights",
        ),
        ([(WARD, Grant(user="x", role="y", organization="z", purposes=("NOSINESS",)))], "PurposeOfUse"),
    ],
)
def test_a_wrong_setup_is_refused_without_quoting_the_token(tokens: list[tuple[str, Grant]], says: str) -> None:
    with pytest.raises(AccessSetup, match=says) as caught:
        StaticTokens(tokens)
    assert tokens[0][0] not in str(caught.value)


@pytest.mark.parametrize(
    ("fact", "verdict"),
    [
        (labelled(V3, "R"), Verdict.MASK),
        (labelled(V3, "V"), Verdict.MASK),
        (labelled(V3, " v "), Verdict.MASK),
        (labelled("http://hl7.org/fhir/v3/Confidentiality", "R"), Verdict.MASK),
        (labelled("urn:oid:2.16.840.1.113883.5.25", "V"), Verdict.MASK),
        (labelled(None, "R"), Verdict.MASK),
        (labelled(V3, "N"), Verdict.SHOW),
        (labelled(V3, None), Verdict.SHOW),
        (labelled("http://terminology.hl7.org/CodeSystem/v3-ActReason", "R"), Verdict.SHOW),
        (Condition(native_id="Condition/1", subject=None), Verdict.SHOW),
        (Patient(native_id="Patient/1", subject="Patient/1", restricted=True), Verdict.MASK),
    ],
)
def test_what_is_labelled_restricted_is_masked_unless_it_is_granted(fact: Fact, verdict: Verdict) -> None:
    assert Policy().verdict("gp", fact) is verdict
    assert Policy(restricted=True).verdict("gp", fact) is Verdict.SHOW


def test_a_denied_source_is_hidden_whole_and_not_asked(access: StaticTokens) -> None:
    clerk = access.authenticate({"authorization": f"Bearer {CLERK}"})
    policy = access.decide(clerk, "PATADMIN", SUBJECT)
    assert policy.verdict("gum", labelled(V3, "N")) is Verdict.HIDE
    assert policy.verdict("gum", labelled(V3, "R")) is Verdict.HIDE
    assert policy.verdict("gp", labelled(V3, "R")) is Verdict.SHOW
    assert (policy.may_ask("gum"), policy.may_ask("gp")) == (False, True)


SOURCES = st.frozensets(st.sampled_from(["gp", "gum", "a", "b", '"a","b"', "a,b"]))


@settings(deadline=None)
@given(SOURCES, st.booleans(), SOURCES, st.booleans())
def test_the_digest_is_equal_exactly_when_the_policy_is(
    one: frozenset[str], show: bool, other: frozenset[str], show_other: bool
) -> None:
    left, right = Policy(deny_sources=one, restricted=show), Policy(deny_sources=other, restricted=show_other)
    assert (left.digest == right.digest) is (left == right)


def test_the_digest_stays_the_same_over_releases() -> None:
    assert Policy(deny_sources=frozenset({"gum", "cmht"})).digest.startswith("408f3b572a0a5024")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "gateway.example", ""])
def test_without_tokens_only_loopback_is_served(host: str) -> None:
    with pytest.raises(AccessSetup, match=r"127\.0\.0\.1"):
        LocalOnly(host)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "localhost", "[::1]:8000", "127.0.0.1"])
def test_this_machine_is_the_demo_user_and_sees_nothing_restricted(host: str) -> None:
    access = LocalOnly("127.0.0.1")
    actor = access.authenticate({"Host": host})
    policy = access.decide(actor, "TREAT", SUBJECT)
    assert policy.verdict("gp", labelled(V3, "R")) is Verdict.MASK
    with pytest.raises(UnknownPurpose):
        access.decide(actor, "x", SUBJECT)
    with pytest.raises(AccessDenied):
        access.decide(Actor(user="somebody", role="", organization=""), "TREAT", SUBJECT)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "evil.example:8000"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "127.0.0.1", "x-forwarded-for": "203.0.113.9"},
        {"host": "127.0.0.1", "forwarded": "for=203.0.113.9"},
    ],
)
def test_a_rebound_name_or_a_proxy_is_not_this_machine(headers: dict[str, str]) -> None:
    with pytest.raises(NotAuthenticated):
        LocalOnly("127.0.0.1").authenticate(headers)
