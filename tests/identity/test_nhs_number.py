"""The NHS number as typed: what is read, what is refused, and that no message quotes it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.identity.nhs_number import BadIdentifier, check_digit, normalise, usable
from schema.model.values import Identifier
from tests.identity.people import NUMBER


@pytest.mark.parametrize("typed", ["{a} {b} {c}", "{a}-{b}-{c}", "  {a}{b}{c}\t", "{a}\u00a0{b}\u2011{c}"])
def test_spaces_and_hyphens_are_no_part_of_the_number(typed: str) -> None:
    assert normalise(typed.format(a=NUMBER[:3], b=NUMBER[3:6], c=NUMBER[6:])) == NUMBER


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (NUMBER + ".0", "digits only"),
        ("", "digits only"),
        ("٩٩٩" + NUMBER[3:], "digits only"),
        (NUMBER[:9], "ten digits"),
        (NUMBER + "1", "ten digits"),
        ("0123456789", "placeholder"),
        ("9876543210", "placeholder"),
        (NUMBER[:9] + str((int(NUMBER[9]) + 1) % 10), "check digit"),
    ],
)
def test_what_cannot_be_a_number_is_refused_with_what_to_do(typed: str, says: str) -> None:
    with pytest.raises(BadIdentifier, match=says) as caught:
        normalise(typed)
    assert not typed or typed not in str(caught.value)


@pytest.mark.parametrize("digit", "0123456789")
def test_every_repeated_digit_passes_the_check_and_is_refused(digit: str) -> None:
    assert check_digit(digit * 9) == int(digit)
    with pytest.raises(BadIdentifier, match="placeholder"):
        normalise(digit * 10)


def test_a_site_names_its_own_placeholders() -> None:
    with pytest.raises(BadIdentifier, match="placeholder"):
        normalise(NUMBER, {NUMBER})


@settings(deadline=None)
@given(st.integers(0, 999999), st.integers(0, 9), st.integers(1, 9))
def test_every_single_digit_slip_is_caught(serial: int, place: int, shift: int) -> None:
    digit = check_digit(f"999{serial:06d}")
    if digit is None:
        return
    right = f"999{serial:06d}{digit}"
    wrong = right[:place] + str((int(right[place]) + shift) % 10) + right[place + 1 :]
    with pytest.raises(BadIdentifier) as caught:
        normalise(wrong)
    assert wrong not in str(caught.value)


def test_another_system_is_never_read_as_an_nhs_number() -> None:
    assert usable(Identifier(system="https://hospital.example/mrn", value=" 0042 ")) == "0042"
