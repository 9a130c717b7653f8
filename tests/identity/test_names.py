"""Names: what agrees, and above all what does not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.identity.names import Agreement, default_table, given_agreement, key, one_slip, read_table
from schema.model.values import HumanName
from tests.identity.people import name

TABLE = default_table()


def agreement(one: str | tuple[str, ...], other: str | tuple[str, ...]) -> Agreement:
    forward = given_agreement((name(one),), (name(other),), TABLE, 5)
    assert given_agreement((name(other),), (name(one),), TABLE, 5) is forward
    return forward


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("MICHAEL", "michael"),
        ("Zoë", "Zoe"),
        ("Anne-Marie", "Anne Marie"),
        ("Anne-Marie", ("Anne", "Marie")),
        ("Łukasz", "Lukasz"),
        ("Michael", ("Michael", "James")),
        ("D'Arcy", "DArcy"),
        ("राम", "राम"),
        ("Xiao-Ming", "Xiaoming"),
        ("Xiao Ming", ("Xiaoming", "David")),
    ],
)
def test_case_diacritics_and_hyphens_do_not_matter(one: str, other: str) -> None:
    assert agreement(one, other) is Agreement.EXACT


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Michael", "Mike"),
        ("Mohammed", "Muhammad"),
        ("Elizabeth", "Beth"),
        ("Stephen", "Steven"),
        ("Sergei", "Sergey"),
        ("Catherine", "Kate"),
        ("Alexander", "Alex"),
        ("Alexandra", "Alex"),
        (("Mike", "James"), ("Michael", "J")),
        ("Padraig", "Paddy"),
        ("Waleed", "Walid"),
        ("Yousaf", "Yusuf"),
        ("Oluwaseun", "Seun"),
        ("Weronika", "Veronica"),
        # spelled otherwise for one sound
        ("Halimah", "Halima"),
        ("Faysal", "Faisal"),
        ("Shaziya", "Shazia"),
        ("Oxana", "Oksana"),
        ("Erika", "Erica"),
        ("Vicky", "Vickie"),
    ],
)
def test_short_forms_and_transliterations_agree(one: str, other: str) -> None:
    assert agreement(one, other) is not Agreement.DIFFERS
    assert agreement(one, other) is Agreement.VARIANT


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # met as false links on generated twins: the table knew one of the two
        *(("Salma", "Salwa"), ("Alina", "Arina"), ("Rabia", "Razia"), ("Rohan", "Ronan"), ("Adnan", "Adan")),
        *(("Blake", "Blade"), ("Ieuan", "Iwan"), ("Jan", "Janis"), ("Karla", "Kaela"), ("Carys", "Ccrys")),
        *(("Frances", "Francees"), ("Julian", "Juliaan")),
        # two short forms of one name, which two children of one home may bear
        *(("Kate", "Kathy"), ("Beth", "Libby"), ("Charlie", "Lottie"), ("Ned", "Ted"), ("Izzy", "Bella")),
        # two sounds
        *(("Colleen", "Colin"), ("Doreen", "Dorin"), ("Casey", "Cassie"), ("Adeel", "Adil"), ("Ffion", "Fionn")),
        # own names today
        *(("Jake", "Jacob"), ("Jamie", "James"), ("Eliza", "Elizabeth"), ("Ellie", "Eleanor")),
        # what both state beyond the first two words
        (("Siu Ming", "Jie"), ("Siu Ming", "Kai")),
        (("Mei Ling", "Anna"), ("Meiling", "Grace")),
    ],
)
def test_names_that_two_children_of_one_home_may_bear_do_not_agree(one: str, other: str) -> None:
    assert agreement(one, other) is Agreement.DIFFERS


@pytest.mark.parametrize("word", ["Bo", "Na"])
def test_a_word_that_is_nobodys_and_somebodys_agrees_alone_and_inexactly(word: str) -> None:
    assert agreement(word, word) is Agreement.VARIANT
    assert agreement(word, (word, "David")) is Agreement.VARIANT
    assert agreement(word, "Nadia") is Agreement.DIFFERS
    assert agreement(f"{word} Sarah", f"{word} Sarah") is Agreement.MISSING


@pytest.mark.parametrize(("one", "other"), [("Micheal", "Michael"), ("Jessicca", "Jessica"), ("Wiliam", "William")])
def test_one_slip_in_a_known_name_agrees(one: str, other: str) -> None:
    assert agreement(one, other) is Agreement.TYPO


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Louis", "Louise"),
        ("Eric", "Erica"),
        ("Paul", "Paula"),
        ("Francis", "Frances"),
        ("Hassan", "Hussain"),
        ("Joan", "John"),
        ("Alexander", "Alexandra"),
        ("Ronald", "Donald"),
        ("Jack", "John"),
        ("Jaspreet", "Harpreet"),
        ("Jamil", "Jamal"),
        ("Daniel", "Danielle"),
        ("Anna", "Anne"),
        ("Tim", "Tom"),
        ("J", "John"),
        # neither is known, and nobody can say that they are one
        ("Qorvath", "Qorvaath"),
        # a known name and a strange one, but the slip is where real names differ
        ("Martin", "Martino"),
        ("Kelvin", "Kolvin"),
        (("Mohammed", "Ali"), ("Mohammed", "Hassan")),
        (("Mary", "Ann"), ("Mary", "Jane")),
        ("Mary", "Ann Mary"),
    ],
)
def test_like_named_people_do_not_agree(one: str, other: str) -> None:
    assert agreement(one, other) in (Agreement.DIFFERS, Agreement.MISSING)


@pytest.mark.parametrize("pair", sorted(tuple(sorted(pair)) for pair in TABLE.distinct))
def test_no_pair_listed_as_distinct_ever_agrees(pair: tuple[str, str]) -> None:
    assert agreement(*pair) is Agreement.DIFFERS


def test_a_distinct_pair_stands_above_a_shared_group() -> None:
    table = read_table(
        'version = "x"\ngroups = ["lou louis louise"]\ndistinct = ["louis louise"]\nknown = []\nnobody = []'
    )
    assert given_agreement((name("Louis"),), (name("Louise"),), table, 5) is Agreement.DIFFERS
    assert given_agreement((name("Lou"),), (name("Louise"),), table, 5) is Agreement.VARIANT


def test_marks_of_other_scripts_are_letters() -> None:
    assert agreement("Майя", "Маия") is Agreement.DIFFERS
    assert agreement("Майя", "МАЙЯ") is Agreement.EXACT


def test_the_table_does_not_contradict_itself() -> None:
    for pair in TABLE.distinct:
        one, other = sorted(pair)
        shared = TABLE.forms.get(one, frozenset()) & {other}
        assert not shared, pair
    assert not TABLE.known & {"baby", "twin", "unknown", "infant"}


@pytest.mark.parametrize(
    "nobody",
    ["Baby", "BABY BOY", "Baby of Sarah", "Twin 1", "Twin A", "Unknown", "Not Known", "Infant", "B/O", "X", "?"],
)
def test_what_is_nobodys_name_agrees_with_nothing_not_even_itself(nobody: str) -> None:
    assert agreement(nobody, nobody) is Agreement.MISSING
    assert agreement(nobody, "Michael") is Agreement.MISSING


@pytest.mark.parametrize("use", ["old", "maiden", "anonymous"])
def test_a_former_given_name_ties_nothing(use: str) -> None:
    former = HumanName(given=("Michael",), family="Harker", use=use)
    assert given_agreement((name("Michelle"), former), (name("Michael"),), TABLE, 5) is Agreement.DIFFERS
    assert given_agreement((former,), (name("Michael"),), TABLE, 5) is Agreement.MISSING


WORDS = st.text(st.characters(codec="utf-8", categories=("L", "M")), min_size=1, max_size=12)


@settings(deadline=None)
@given(WORDS, WORDS)
def test_agreement_is_symmetric_and_never_raises(one: str, other: str) -> None:
    agreement(one, other)


@settings(deadline=None)
@given(st.text())
def test_the_key_of_a_key_is_itself(text: str) -> None:
    assert key(key(text)) == key(text) or not key(text).isascii()


@settings(deadline=None)
@given(st.text("abc", min_size=1, max_size=6), st.text("abc", min_size=1, max_size=6))
def test_one_slip_is_a_distance_of_one(one: str, other: str) -> None:
    assert one_slip(one, other) == (_osa(one, other) == 1)


def _osa(one: str, other: str) -> int:
    """Optimal string alignment, the slow way."""
    rows = [[i + j if i * j == 0 else 0 for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            swap = i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]
            rows[i][j] = min(
                rows[i - 1][j] + 1,
                rows[i][j - 1] + 1,
                rows[i - 1][j - 1] + (one[i - 1] != other[j - 1]),
                rows[i - 2][j - 2] + 1 if swap else 99,
            )
    return rows[-1][-1]
