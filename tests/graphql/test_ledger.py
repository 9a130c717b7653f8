"""The answers to the five questions about Michael equal ledgers written by hand from the raw records.

The questions are the documents in docs/questions, each one query. Beside them the whole record is held against the
ledger that has all of it, for what no single question shows.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from schema.model.clinical import FACT_TYPES, SECTIONS
from tests.graphql.conftest import CLOCK, MICHAEL, Running
from tests.support.ledger import SECTION_OF, everything, ledger, members, named, same, words

QUESTIONS = Path(__file__).parents[2] / "docs" / "questions"
WARD, DIABETES, LIVER, GP, SOURCES = "q1_ward", "q2_diabetes", "q3_liver", "q4_gp", "q5_sources"
DOCUMENTS = {
    WARD: "1-ward",
    DIABETES: "2-diabetes",
    LIVER: "3-liver",
    GP: "4-gp",
    SOURCES: "5-sources",
}
NOT_STATED = "not stated"
PARTLY = {(DIABETES, "medications"), (LIVER, "medications"), (LIVER, "conditions")}
"""Sections that cannot be asked for by code: the ledger has what the question is about, the answer has all of them."""
TYPE_OF = {section: name for name, section in SECTION_OF.items()}
_ENTRY = "id related provenance { source { id } nativeId } conflicts { field withIds claims { factId value } }"
WHOLE = (
    f"patient {{ {_ENTRY} }} "
    + " ".join(
        f"{name} {{ entries(first: 1000) {{ nodes {{ {_ENTRY} facts {{ id provenance {{ source {{ id }} nativeId }} }}"
        f" }} }} sources {{ source {{ id }} state code gaps {{ kind factType count }} }} }}"
        for name in SECTIONS
    )
    + " links { source { id } localId grade status } sources { source { id } state code facts }"
)


async def answer(gateway: Running, question: str, **variables: Any) -> Any:
    """The record in the answer to one of the documents."""
    document = (QUESTIONS / f"{DOCUMENTS[question]}.graphql").read_text(encoding="utf-8")
    if question == GP:
        variables = {"since": "2026-02-21", "until": CLOCK.date().isoformat(), "mine": "gp"} | variables
    said = await gateway.ask(document, nhsNumber=MICHAEL, **variables)
    assert "errors" not in said, said["errors"]
    return said["data"]["patient"]


def entries(record: Any, section: str) -> list[Any]:
    if section == "patient":
        return [record["patient"]] if record["patient"] else []
    return record[section]["entries"]["nodes"]


def groups(record: Any, sections: Iterable[str]) -> dict[str, frozenset[str]]:
    """Each statement and the whole entry that it is part of."""
    return {one: members(entry) for name in sections for entry in entries(record, name) for one in members(entry)}


def disputes(record: Any, sections: Iterable[str]) -> dict[tuple[str, str, frozenset[frozenset[str]]], dict[str, str]]:
    """(section, field, the two entries) and, of each statement in them, what it claims."""
    found: dict[tuple[str, str, frozenset[frozenset[str]]], dict[str, str]] = {}
    for name in sections:
        by_id = {entry["id"]: entry for entry in entries(record, name)}
        stated = {fact["id"]: named(fact["provenance"]) for entry in by_id.values() for fact in entry.get("facts", ())}
        for entry in by_id.values():
            for conflict in entry["conflicts"]:
                claims = {stated[c["factId"]]: c["value"] for c in conflict["claims"] if c["factId"] in stated}
                for other in conflict["withIds"] or [entry["id"]]:
                    pair = frozenset({members(entry), members(by_id[other])})
                    found.setdefault((name, conflict["field"], pair), {}).update(claims)
    return found


@pytest.mark.parametrize("question", [WARD, DIABETES, LIVER])
async def test_the_answer_to_a_question_has_every_fact_and_merge_of_its_ledger_and_no_other(
    gateway: Running, question: str
) -> None:
    record, book = await answer(gateway, question), ledger(question)
    sections = {merged["section"] for merged in book["merged"]}
    for section in sorted(sections):
        told = {members(entry) for entry in entries(record, section)}
        written = {frozenset(m["facts"]) for m in book["merged"] if m["section"] == section}
        if (question, section) in PARTLY:
            whole = {frozenset(m["facts"]) for m in ledger(GP)["merged"] if m["section"] == section}
            assert written <= told == whole, section
        else:
            assert told == written, section
    assert {fact["id"] for fact in book["fact"]} <= groups(record, sections).keys()


@pytest.mark.parametrize("question", [WARD, DIABETES, LIVER])
async def test_the_answer_to_a_question_shows_its_conflicts_and_their_claims(gateway: Running, question: str) -> None:
    record, book = await answer(gateway, question), ledger(question)
    sections = {merged["section"] for merged in book["merged"]} - {"patient"}
    at, told = groups(record, sections), disputes(record, sections)
    for conflict in book.get("conflict", ()):
        pair = frozenset(at[fact] for fact in conflict["between"])
        claims = told[conflict["section"], conflict["field"], pair]
        assert conflict["claims"].items() <= claims.items()


async def test_the_ward_learns_who_is_involved_and_how_to_reach_them(gateway: Running) -> None:
    record = await answer(gateway, WARD)
    text = list(words(record))
    book = ledger(WARD)
    told = groups(record, {"patient", "careTeam", "relatedPersons", "encounters"})
    for one in book["reach"]:
        assert one["phone"] in text, one["who"]
        assert set(one["said_by"]) <= told.keys(), one["who"]
        found = [m for m in record["careTeamMembers"] if one["phone"] in {point["value"] for point in m["telecom"]}]
        if "last_contact" in one:
            assert one["last_contact"] in {x for m in found for x in members(m["lastContact"] or {"provenance": []})}
            assert {m["contact"] for m in found} == {"FOUND"}, one["who"]
    everywhere = groups(record, {merged["section"] for merged in book["merged"]})
    for one in book["answer"]:
        assert set(one["facts"]) <= everywhere.keys(), one["says"]


@pytest.mark.parametrize("question", [DIABETES, LIVER])
async def test_no_sample_is_two_points_of_a_series_and_the_points_are_in_order(gateway: Running, question: str) -> None:
    record, book = await answer(gateway, question), ledger(question)
    at = groups(record, {"observations"})
    when = {one: e["when"]["earliest"] for e in entries(record, "observations") for one in members(e)}
    plotted: list[frozenset[str]] = []
    for series in book["series"]:
        points = [at[point] for point in series["points"]]
        assert sorted(when[point] for point in series["points"]) == [when[point] for point in series["points"]]
        plotted += points
    left_out = [at[excluded["fact"]] for excluded in book["excluded"]]
    assert len(set(plotted)) == len(plotted)
    assert not set(plotted) & set(left_out)


@pytest.mark.parametrize("question", [DIABETES, LIVER])
async def test_each_line_has_the_points_of_its_ledger_in_order_and_one_unit(gateway: Running, question: str) -> None:
    record, book = await answer(gateway, question), ledger(question)
    at = groups(record, {"observations"})
    lines = {frozenset(members(p["entry"]) for p in line["points"]): line for line in record["outcomes"]}
    for series in book["series"]:
        line = lines[frozenset(at[point] for point in series["points"])]
        assert len(line["points"]) == len(series["points"]), "no sample twice"
        times = [point["when"]["value"] for point in line["points"]]
        assert times == sorted(times)
        assert line["unit"] == series["unit"], series["name"]
        assert line["status"] == "PARTIAL", "telehealth sent a reading that is no number"
        assert series.get("change", line["change"]) == line["change"]
        excluded = {x["fact"]: x["reason"] for x in book["excluded"] if x["series"] == series["name"] and "reason" in x}
        told = {one: x["reason"] for x in line["excluded"] for one in members(x["entry"])}
        assert told == excluded, series["name"]
    assert len(lines) == len(book["series"]) == len(record["outcomes"])


async def test_a_referral_with_a_booking_that_names_it_is_answered_and_of_the_others_nobody_can_tell(
    gateway: Running,
) -> None:
    record, book = await answer(gateway, GP), ledger(GP)
    told = {one: x for x in record["transfersOfCare"] for one in members(x["entry"])}
    for one in book["transfer"]:
        transfer = told[one["fact"]]
        assert (transfer["kind"], transfer["reply"]) == (one["kind"], one["reply"]), one["fact"]
        replies = {x for link in transfer["replies"] for x in members(link["entry"])}
        assert set(one.get("replies", ())) <= replies, one["fact"]
        assert bool(replies) == (one["reply"] == "FOUND")
        unheard = {source["id"] for source in transfer["unheard"]}
        assert unheard == {"gp", "ooh", *one.get("missed_by", ())}, "two sources did not say everything"
    assert len(book["transfer"]) == len(record["transfersOfCare"])
    nodes = {node["id"]: members(node) for node in record["timeline"]["nodes"]}
    follows = {
        member: {x for link in edge["followsFrom"] for x in nodes[link["entry"]["id"]]}
        for edge in record["timeline"]["edges"]
        for member in nodes[edge["node"]["id"]]
    }
    for one in book["transfer"]:
        assert set(one.get("follows", ())) <= follows.get(one["fact"], set()), one["fact"]


async def test_the_gp_sees_what_happened_since_in_order(gateway: Running) -> None:
    record, book = await answer(gateway, GP), ledger(GP)
    told = [members(node) for node in record["timeline"]["nodes"]]
    edges = record["timeline"]["edges"]
    at = {one: place for place, group in enumerate(told) for one in group}
    written = [fact for moment in book["timeline"] for fact in moment["facts"]]
    assert {at[fact] for fact in written} == set(range(len(told))), "every entry is in the ledger, and the other way"
    for moment in book["timeline"]:
        for fact in moment["facts"]:
            edge = edges[at[fact]]
            assert same(moment["when"], edge["at"]["value"]) or same(moment["when"], edge["at"]["earliest"]), fact
            occurrence = moment.get("but", {}).get(fact, moment.get("occurrence", "HAPPENED"))
            assert edge["occurrence"] == occurrence, fact
    listed = await gateway.record(
        " ".join(f"{n} {{ entries(first: 1000) {{ nodes {{ when {{ value }} }} }} }}" for n in SECTIONS)
    )
    undated = sum(entry["when"] is None for name in SECTIONS for entry in entries(listed, name))
    assert record["timeline"]["undatedCount"] == undated > 0, "what has no time has no place, and is counted"
    moments = [[at[fact] for fact in moment["facts"]] for moment in book["timeline"]]
    assert all(max(one) < min(other) for one, other in pairwise(moments))


async def test_the_gp_sees_what_the_practice_does_not_have_and_where_nobody_can_tell(gateway: Running) -> None:
    record, book = await answer(gateway, GP), ledger(GP)
    found = [one for one in record["discrepancies"]["nodes"] if one["entry"] is not None]
    told = {members(one["entry"]): one["kind"] for one in found}
    assert len(told) == len(found)
    at = {one: group for group in told for one in group}
    assert told == {at[one["fact"]]: one["kind"] for one in book["discrepancy"]}
    whole = [one for one in record["discrepancies"]["nodes"] if one["entry"] is None]
    assert {(one["kind"], one["section"], one["count"]) for one in whole} == {
        ("OUT_OF_SCOPE", scope["section"], scope["merged"]) for scope in book["out_of_scope"]
    }
    assert len(whole) == len(book["out_of_scope"]), "once of each section"
    place = {one: number for number, entry in enumerate(found) for one in members(entry["entry"])}
    (rank,) = book["rank"]
    first, then, after = ([place[fact] for fact in rank[name]] for name in ("first", "then", "after"))
    assert max(first) < min(then)
    assert max(then) < min(after)
    assert {e["message"] for e in found if e["kind"] == "NOT_FOUND"} == {"Not found in Tallow Yard Surgery, GP record"}


async def test_anyone_sees_who_was_heard_and_how_old_each_answer_is(gateway: Running) -> None:
    begun = datetime.now(UTC)
    record, book = await answer(gateway, SOURCES), ledger(SOURCES)
    told = {source["source"]["id"]: source for source in record["sources"]}
    assert told.keys() == {source["id"] for source in book["source"]}
    for source in book["source"]:
        one = told[source["id"]]
        assert one["source"]["organization"] == source["organization"]
        assert (one["state"], one["facts"]) == (source["state"], source["facts"]), source["id"]
        assert source.get("code") in (None, one["code"]), source["id"]
        assert begun - timedelta(seconds=1) <= datetime.fromisoformat(one["asOf"]) <= datetime.now(UTC), source["id"]
        if "complete_from" in source:
            assert same(source["complete_from"], one["completeFrom"]["earliest"])
        held = {TYPE_OF[name] for name in SECTIONS for s in record[name]["sources"] if in_scope(s, source["id"])}
        assert held | {"Patient"} == set(source["types"]), source["id"]
    links = {(x["source"]["id"], x["localId"], x["grade"], x["status"]) for x in record["links"]}
    assert links == {
        (
            link["source"],
            f"Patient/{link['local_id']}" if link["status"] == "linked" else None,
            link["grade"],
            "LINKED" if link["status"] == "linked" else "PRESENT_NOT_LINKED",
        )
        for link in book["link"]
    }
    gaps = {
        (source["source"]["id"], TYPE_OF[name], gap["kind"].lower(), gap["count"])
        for name in SECTIONS
        for source in record[name]["sources"]
        for gap in source["gaps"]
        if gap["kind"] != "NOT_HELD"
    }
    assert gaps == {(gap["source"], gap["type"], gap["kind"], gap.get("count", 1)) for gap in book["gap"]}


def in_scope(source: Any, source_id: str) -> bool:
    """Whether that is the source, and it holds such facts, whether or not it knows the person."""
    return source["source"]["id"] == source_id and source["code"] != "NOT_HELD"


# ---------- the whole record


async def test_the_whole_record_is_what_the_ledgers_say_and_nothing_else(gateway: Running) -> None:
    record, book = await gateway.record(WHOLE), ledger(GP)
    sections = ["patient", *SECTIONS]
    for section in sections:
        told = {members(entry) for entry in entries(record, section)}
        assert told == {frozenset(m["facts"]) for m in book["merged"] if m["section"] == section}, section
    totals = book["totals"]
    assert {s["source"]["id"]: s["facts"] for s in record["sources"] if s["facts"]} == totals["facts_by_source"]
    # A registration that its hospital merged away is no member of anything: it was replaced.
    assert sum(totals["facts_by_source"].values()) == totals["facts"] == len(groups(record, sections))


async def test_conflicts_are_the_ledgers_and_each_side_names_the_other(gateway: Running) -> None:
    record, book = await gateway.record(WHOLE), ledger(GP)
    at = groups(record, SECTIONS)
    written = {(c["section"], c["field"], frozenset(at[fact] for fact in c["between"])) for c in book["conflict"]}
    assert disputes(record, SECTIONS).keys() == written
    for name in SECTIONS:
        by_id = {entry["id"]: entry for entry in entries(record, name)}
        for entry in by_id.values():
            for conflict in entry["conflicts"]:
                for other in conflict["withIds"]:
                    back = [c["withIds"] for c in by_id[other]["conflicts"] if c["field"] == conflict["field"]]
                    assert any(entry["id"] in names for names in back), (name, conflict["field"])


async def test_soft_links_of_the_ledgers_are_proposed_and_nothing_is_merged_by_them(gateway: Running) -> None:
    record = await gateway.record(WHOLE)
    for link in ledger(GP)["softlink"]:
        by_member = {m: entry for entry in entries(record, link["section"]) for m in members(entry)}
        one, other = (by_member[fact] for fact in link["between"])
        assert one is not other
        assert other["id"] in one["related"], link
        assert one["id"] in other["related"], link


async def test_what_a_source_stated_is_shown_as_it_stated_it(gateway: Running) -> None:
    author = "author { name role organization telecom { value } }"
    who = f"provenance {{ source {{ id }} nativeId recorded {{ value earliest }} {author} }}"
    selection = f"patient {{ facts {{ {who} {everything('PatientFact')} }} }}" + " ".join(
        f"{kind.section} {{ entries(first: 1000) {{ nodes {{ facts {{ {who} {everything(name + 'Fact')} }} }} }} }}"
        for name, kind in FACT_TYPES.items()
        if name != "Patient"
    )
    record = await gateway.record(selection)
    nodes = [record["patient"], *(entry for name in SECTIONS for entry in entries(record, name))]
    facts = {named(fact["provenance"]): fact for entry in nodes for fact in entry["facts"]}
    stated = {name: list(words(fact)) for name, fact in facts.items()}
    unsaid = [(f["id"], name) for f in ledger(GP)["fact"] for name, v in f.get("shows", {}).items() if v == NOT_STATED]
    assert [facts[fact][name] for fact, name in unsaid] == [None] * len(unsaid)
    missing = [
        (fact["id"], name, value)
        for fact in ledger(GP)["fact"]
        for name, value in fact.get("shows", {}).items()
        if value != NOT_STATED and not any(same(value, leaf) for leaf in stated[fact["id"]])
    ]
    missing += [
        (fact, within["field"], value)
        for within in ledger(GP)["within"]
        for fact, value in within["claims"].items()
        if not any(value in leaf for leaf in stated[fact])
    ]
    assert missing == []


@pytest.mark.parametrize("question", list(DOCUMENTS))
async def test_what_must_not_be_there_is_nowhere_in_the_answer(gateway: Running, question: str) -> None:
    text = "\n".join(words(await answer(gateway, question)))
    absent = [entry["text"] for book in DOCUMENTS for entry in ledger(book).get("absent", ()) if "text" in entry]
    assert absent
    assert [word for word in absent if word in text] == []


def test_every_question_is_one_query() -> None:
    for name in DOCUMENTS.values():
        document = (QUESTIONS / f"{name}.graphql").read_text(encoding="utf-8")
        assert sum(line.startswith("query ") for line in document.splitlines()) == 1, name
