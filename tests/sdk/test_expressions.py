"""JMESPath as mappings use it: the short way for plain names finds what the library finds."""

from typing import Any

import jmespath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.sdk.converters import Unreadable
from adapters.sdk.expressions import Expression, truthy

KEYS = st.sampled_from(["a", "b", "c"])
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=300)
@given(st.lists(KEYS, min_size=1, max_size=4), DOCUMENTS)
def test_a_path_of_names_finds_what_the_library_finds(names: list[str], document: Any) -> None:
    path = ".".join(names)
    assert Expression(path, "here").search(document) == jmespath.search(path, document)


@pytest.mark.parametrize("path", ["a[0].b", "a.b[]", "a.*", "@", "a || b", "(a.b).c", "a | b", "length(a)", '"x y".b'])
def test_everything_else_is_left_to_the_library(path: str) -> None:
    document = {"a": [{"b": [1]}, {"b": [2]}], "b": 3, "x y": {"b": 4}}
    assert Expression(path, "here").search(document) == jmespath.search(path, document)


def test_what_an_expression_runs_into_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        Expression("length(a)", "here").search({"a": 5})


def test_truth_is_that_of_jmespath() -> None:
    assert [truthy(value) for value in (None, False, "", [], {}, 0, "x", True)] == [False] * 5 + [True] * 3
