"""Messages from bytes and back: delimiters, escapes, nulls, character sets, and no injection."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.hl7v2.build import message, segment
from adapters.hl7v2.parser import parse
from adapters.hl7v2.times import when
from adapters.sdk import SourceInvalid, SourceRequest

HEADER = "MSH|^~\\&|A|B|C|D|20260317||ADT^A01|1|P|2.5"
LONDON = ZoneInfo("Europe/London")


def one(line: str, header: str = HEADER) -> object:
    return parse(f"{header}\r{line}\r".encode()).segments[1]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_segments_end_in_cr_lf_or_both_and_blank_lines_count_for_nothing(end: str) -> None:
    read = parse(end.join([HEADER, "", "PID|1||7", "", "PV1|1|I", ""]).encode())
    assert [s.name for s in read.segments] == ["MSH", "PID", "PV1"]
    assert read.unreadable == 0


def test_separators_of_other_alphabets_do_not_cut_a_segment() -> None:
    read = parse(f"{HEADER}\rNTE|1||one\u2028two\u0085three\x0cfour\r".encode())
    assert read.segments[1].text(3) == "one\u2028two\u0085three\x0cfour"


def test_delimiters_are_the_ones_that_the_header_declares() -> None:
    pid = parse(b"MSH$*!?%$A$B\rPID$1$$7*$$QUILL?T?FEATHER*Michael!Quill*M%x\r").segments[1]
    assert pid.text(5) == "QUILL%FEATHER"
    assert [r.text(2) for r in pid.repetitions(5)] == ["Michael", "M"]
    assert pid.repetitions(5)[1].text(2, 2) == "x"


def test_msh_is_counted_from_its_own_separator() -> None:
    read = parse(HEADER.encode())
    assert (read.header.field(1), read.header.text(3), read.header.text(10)) == ("|", "A", "1")
    assert read.type == "ADT^A01"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (r"\F\\S\\T\\R\\E\ ".strip(), "|^&~\\"),
        (r"Salt \T\ Tallow", "Salt & Tallow"),
        (r"one\.br\two", "one\ntwo"),
        (r"a\.sp2\b\.sk3\c\.in+4\d", "a\n\nb   cd"),
        (r"\H\loud\N\ low", "loud low"),
        (r"\X0D0A\ ".strip(), "\r\n"),
        (r"\XC3A9\ ".strip(), "é"),
        (r"C:\Data\T\c", "C:\\Data&c"),
        (r"\Zlocal\ \Q\ \X0\ ".strip(), r"\Zlocal\ \Q\ \X0\ ".strip()),
        (r"\E\T\E\ ".strip(), "\\T\\"),
        ("ends in \\", "ends in \\"),
    ],
)
def test_escapes_are_replaced_once_and_unknown_ones_stay(raw: str, text: str) -> None:
    assert one(f"NTE|1||{raw}").text(3) == text  # type: ignore[attr-defined]


def test_null_is_deleted_and_empty_is_not_and_both_read_as_none() -> None:
    pid = one('PID|1||""||""^Michael|')
    assert pid.text(3) is None
    assert pid.deleted(3)
    assert pid.text(2) is None
    assert not pid.deleted(2)
    assert (pid.text(5), pid.text(5, 2)) == (None, "Michael")
    assert pid.text(99) is None


def test_a_line_that_is_no_segment_is_counted_and_the_others_stay() -> None:
    read = parse(f"{HEADER}\rPID|1\rsecond half of a broken text\rpv1|x\rPV1|1\r".encode())
    assert [s.name for s in read.segments] == ["MSH", "PID", "PV1"]
    assert read.unreadable == 2


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>",
        b"PID|1",
        b"MSH",
        b"MSH|||A",
        b"MSH|^^~&|A|B",
        b"MSHA^~\\&AB",
        b"MSH|^~\\&|A\rPID|1\rMSH|^~\\&|B\r",
        b"M\x00S\x00H\x00|\x00",
    ],
)
def test_what_is_not_exactly_one_message_is_refused(data: bytes) -> None:
    with pytest.raises(SourceInvalid):
        parse(data)


@pytest.mark.parametrize(
    ("declared", "data", "text", "doubtful"),
    [
        ("UNICODE UTF-8", "Zoë".encode(), "Zoë", False),
        ("8859/1", "Zoë".encode("latin-1"), "Zoë", False),
        ("8859/15", "5 €".encode("iso8859-15"), "5 €", False),
        ("", "Zoë".encode(), "Zoë", False),
        ("", "Zoë’s".encode("cp1252"), "Zoë’s", True),
        ("UNICODE UTF-8", "Zoë".encode("cp1252"), "Zoë", True),
        ("8859/1", "Zoë’s".encode("cp1252"), "Zoë\x92s", True),
        ("8859/1", "Zoë".encode(), "ZoÃ«", True),
        ("ASCII", "Zoë".encode(), "Zoë", True),
        ("ASCII", b"Zoe", "Zoe", False),
    ],
)
def test_character_set_is_the_declared_one_and_doubt_is_flagged(
    declared: str, data: bytes, text: str, doubtful: bool
) -> None:
    read = parse(f"{HEADER}||||||{declared}\rNTE|1||".encode() + data)
    assert (read.segments[1].text(3), read.doubtful) == (text, doubtful)


def test_byte_order_mark_says_utf_8() -> None:
    read = parse(b"\xef\xbb\xbf" + f"{HEADER}||||||8859/1\rNTE|1||Zoë".encode())
    assert (read.bom, read.doubtful, read.segments[1].text(3)) == (True, False, "Zoë")


WRITTEN = st.text(
    alphabet=st.one_of(st.characters(exclude_categories=("Cs",)), st.sampled_from("|^~&\\\r\n\x0b\x1c\"' "))
)


@given(WRITTEN, WRITTEN, WRITTEN)
@example('""', ' "" ', "\\X22\\")
def test_any_text_comes_back_as_it_was_and_makes_no_segment_field_or_frame(a: str, b: str, c: str) -> None:
    data = message(
        [
            segment("MSH", "S", "S", "R", "R", None, None, ("QBP", "Q22"), a, "P", "2.5", *[None] * 5, "UNICODE UTF-8"),
            segment("QPD", a, (a, (b, c)), [("@PID.3.1", b), (c, a)], "end"),
        ]
    )
    read = parse(data)
    assert [s.name for s in read.segments] == ["MSH", "QPD"]
    assert not {0x0B, 0x1C, 0x0A} & set(data)
    qpd = read.segments[1]

    def shown(text: str) -> str | None:
        return text.strip(" ") or None

    assert read.header.text(10) == qpd.text(1) == shown(a)
    assert (qpd.text(2, 1), qpd.text(2, 2, 1), qpd.text(2, 2, 2)) == (shown(a), shown(b), shown(c))
    assert qpd.repetitions(3)[0].text(2) == shown(b)
    assert qpd.text(4) == "end"


@given(st.binary())
def test_no_bytes_do_worse_than_being_refused(data: bytes) -> None:
    try:
        read = parse(b"MSH|^~\\&|" + data)
    except SourceInvalid:
        return
    for part in read.segments:
        assert all(value.text(2, 2) is None or value.whole() for value in part.repetitions(3))


def test_a_letter_that_the_character_set_lacks_is_refused_before_it_is_sent() -> None:
    with pytest.raises(SourceRequest):
        message([segment("MSH", "Łukasz")], "8859/1")


@pytest.mark.parametrize(
    ("text", "value", "precision"),
    [
        ("1958", "1958", "YEAR"),
        ("195806", "1958-06", "MONTH"),
        ("19580614", "1958-06-14", "DAY"),
        ("2026031701", "2026-03-17", "DAY"),
        ("202603170130", "2026-03-17T01:30", "MINUTE"),
        ("20260317013005", "2026-03-17T01:30:05", "SECOND"),
        ("20260317013005.25+0100", "2026-03-17T01:30:05.250000", "SECOND"),
    ],
)
def test_a_time_keeps_the_precision_it_was_written_with(text: str, value: str, precision: str) -> None:
    read = when(text, LONDON)
    assert (read.text, read.value, read.precision.value) == (text, value, precision)
    assert read.zone_assumed is ("+" not in text)


def test_older_degree_of_precision_narrows_a_time() -> None:
    assert when("19580601", LONDON, "L").value == "1958-06"


def test_half_past_one_in_october_keeps_both_hours() -> None:
    read = when("202610250130", LONDON)
    assert (read.latest - read.earliest).total_seconds() > 3600


@pytest.mark.parametrize(
    "text", ["", "195", "19581301", "20230229", "2026031725", "2004062917540000", "1958-06-14", "٢٠٢٦"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        when(text, LONDON)
