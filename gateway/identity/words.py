"""What agreed and what differed, and what to do about it, in a steward's words."""

from gateway.identity.guard import LINK_ELSEWHERE
from gateway.identity.ledger import GRADE, JOINED, WAITING, Link, Standing
from gateway.identity.vetoes import (
    MULTIPLE_BIRTH,
    NUMBERS_DIFFER,
    REGISTRATIONS_DISAGREE,
    RESTRICTED,
    TWO_NUMBERS,
    WITHDRAWN,
)

WORDS = {
    "identifier:verified-equal": "the number is the same, and verified",
    "identifier:verified-superseded": "the number is an earlier one of this person's, and verified",
    "identifier:equal": "the number is the same, but nobody verified it in the source",
    "identifier:ambiguous": "the number is the same, and another one stands beside it",
    "identifier:differs": "the number is another one, which nobody verified",
    "identifier:verified-differs": "the number is another one, and verified",
    "identifier:absent": "the record has no number to compare",
    "birth-date:equal": "the birth date is the same",
    "birth-date:one-edit": "the birth date is one slip away",
    "birth-date:differs": "the birth date is another one",
    "birth-date:absent": "there is no birth date to compare",
    "given:exact": "the given name is the same",
    "given:variant": "the given name is a known form of the same name",
    "given:typo": "the given name is one slip away",
    "given:turned": "given and family name stand in each other's place, and are the same so",
    "given:differs": "the given name is another one",
    "given:missing": "there is no given name to compare",
    "family:equal": "the family name is the same",
    "family:differs": "the family name is another one",
    "family:missing": "there is no family name to compare",
    "address:equal": "the home is the same",
    "address:postcode-equal": "the postcode is the same, the house is not known to be",
    "address:not-equal": "the home is another one, or not stated",
    "gender:differs": "the gender is another one",
    NUMBERS_DIFFER: "stopped: both numbers are verified and they differ",
    TWO_NUMBERS: "stopped: the record carries two numbers",
    MULTIPLE_BIRTH: "stopped: one of a multiple birth, and the given name is not exactly the same",
    RESTRICTED: "stopped: the source restricts the record",
    WITHDRAWN: "stopped: the source has withdrawn the record",
    REGISTRATIONS_DISAGREE: "stopped: the source has another record of this person that contradicts it",
    LINK_ELSEWHERE: "the record is linked to another person",
    "link:automatic": "it was linked by rule",
    "link:steward": "a steward had linked it",
    "link:doubted": "it was linked, and contradicted the person",
    "link:blocked": "a steward has said that it is not this person",
    "source-merge:survivor-certain": "the source merged it into a record that is certain",
    "source-merge:survivor-not-certain": "the source merged it into a record that is not certain",
    JOINED: "two people known here have turned out to be one, on the authority's word, and both had records",
}

_ADVICE = {
    LINK_ELSEWHERE: "it is linked to another person: find out whose it is, and `unlink` it there before you `link` it",
    NUMBERS_DIFFER: "it carries another verified number and stays hidden, linked or not: have the source look",
    WITHDRAWN: "the source has withdrawn it and it stays hidden, linked or not: have the source look",
    REGISTRATIONS_DISAGREE: "the source has two that contradict each other: have it say which is this person's, then "
    "`link` that one and `unlink` the other",
    RESTRICTED: "the source restricts it: `link` it only with the right to, for then it is shown",
}
"""What comes before a decision, by what stands in its way, the hardest first."""
_ADVICE_ON_JOINED = {
    Standing.LINKED: "it was linked under another number of this person and is shown: look it up in the source; `link` "
    "it to keep it, `unlink` it if it is not this person",
    Standing.BLOCKED: "it was linked under one number of this person and unlinked under another, and stays hidden: "
    "`unlink` it to keep it so, `link` it if it is this person",
}


def evidence_of(link: Link) -> tuple[str, tuple[str, ...]]:
    """The record's own grade ("" when it was never graded), and the codes of what agreed and differed."""
    grades = [code.removeprefix(GRADE) for code in link.evidence if code.startswith(GRADE)]
    return " ".join(grades), tuple(code for code in link.evidence if not code.startswith(GRADE))


def explained(codes: tuple[str, ...]) -> tuple[str, ...]:
    """Each code in words; one without words as it is."""
    return tuple(WORDS.get(code, code) for code in codes)


def advice(link: Link) -> str:
    """What a steward does about a record that waits for one; "" about one that is decided."""
    if link.status not in WAITING:
        return _ADVICE_ON_JOINED[link.status] if JOINED in link.evidence else ""
    for code, said in _ADVICE.items():
        if code in link.evidence:
            return said
    if link.status is Standing.DOUBTED:
        return (
            "it was linked and has since contradicted the person: look it up in the source; if it is still this person "
            "`link` it, if it is not `unlink` it"
        )
    return "look it up in the source; if it is this person `link` it, if it is not `unlink` it"
