"""One logical data set for every database: whatever old systems do to data, in a few invented people's rows."""

from decimal import Decimal
from typing import Any

from adapters.sdk.resources import read_resource

MAPPING = "adapters.sql:examples/community.mapping.toml"
DDL = read_resource("adapters.sql:examples/community.ddl.sql")

KNOWN = "9994071009"
TWIN = "9996110028"
DELETED = "9996110036"
UNKNOWN = "9997725018"

Row = dict[str, Any]

_GAPS = {0x81, 0x8D, 0x8F, 0x90, 0x9D}


def spaced(number: str) -> str:
    return f"{number[:3]} {number[3:6]} {number[6:]}"


def mojibake(text: str) -> str:
    """UTF-8 as a latin1 column gives it back: MariaDB's latin1 is cp1252, with control characters in its gaps."""
    return "".join(bytes([byte]).decode("latin-1" if byte in _GAPS else "cp1252") for byte in text.encode("utf-8"))


def _client(id: str, number: str, forename: str, **more: Any) -> Row:
    row: Row = {
        "client_id": id,
        "nhs_no": spaced(number),
        "nhs_status": "01",
        "surname": mojibake("Quillfeather-Peña"),
        "forename": forename,
        "dob": "1958-06-14",
        "sex": "M",
        "address": "3 Sallow Lane   ",
        "postcode": "ZZ99 3WZ",
        "mobile": "07700 900123",
        "date_of_death": "9999-12-31",
        "del_flag": "N",
    }
    return row | more


def _diagnosis(id: int, description: str, **more: Any) -> Row:
    row: Row = {
        "diag_id": id,
        "client_id": "C1",
        "icd10": "F33.1",
        "description": description,
        "certainty": "C",
        "diagnosed": "2019-03-04",
        "resolved": "9999-12-31",
        "recorded_at": "2019-03-04 11:15:00",
        "recorded_by": mojibake("Zoë Brand"),
        "del_flag": None,
    }
    return row | more


def _medicine(id: int, drug: str, strength: str, **more: Any) -> Row:
    row: Row = {
        "med_id": id,
        "client_id": "C1",
        "drug": drug,
        "strength": Decimal(strength),
        "strength_unit": "mg",
        "directions": "one each morning   ",
        "started": "2024-01-05",
        "stopped": "9999-12-31",
        "state": "A",
        "as_needed": 0,
        "deleted_at": None,
    }
    return row | more


def _contact(id: int, started_at: str, outcome: str, **more: Any) -> Row:
    row: Row = {
        "contact_id": id,
        "client_id": "C1",
        "started_at": started_at,
        "outcome": outcome,
        "team": "East community team",
        "worker": "A. Carr",
        "note": mojibake("mood “better” — café visits"),
    }
    return row | more


def _score(id: int, tool: str, total: str, scored_at: str, **more: Any) -> Row:
    row: Row = {"score_id": id, "client_id": "C1", "tool": tool, "total": Decimal(total), "scored_at": scored_at}
    return row | {"scorer": "A. Carr"} | more


TABLES: dict[str, list[Row]] = {
    "client": [
        _client("C1", KNOWN, "Michael"),
        _client("C2", TWIN, "Tobias", dob="1900-01-01", nhs_status="03"),
        _client("C3", DELETED, "Michael", del_flag="Y"),
    ],
    "diagnosis": [
        _diagnosis(1, "Recurrent depressive disorder"),
        _diagnosis(2, mojibake("Ménière’s disease"), icd10="H81.0", certainty="P", diagnosed="1900-01-01"),
        _diagnosis(3, "Entered for the wrong client", del_flag="Y"),
        _diagnosis(4, "Truly latin1: naïve", resolved="2021-01-01"),
        _diagnosis(5, "A certainty that nobody listed", certainty="Q"),
        _diagnosis(6, "A flag that nobody listed", del_flag="?"),
        _diagnosis(9, "The twin's", client_id="C2"),
    ],
    "medication": [
        _medicine(1, "Venlafaxine", "37.50"),
        _medicine(2, "Sertraline", "50.00", state="S", stopped="2025-02-01"),
        _medicine(3, "Deleted softly", "1.00", deleted_at="2025-01-01 00:00:00"),
        _medicine(4, "Promethazine", "12.25", as_needed=1, deleted_at="9999-12-31 00:00:00"),
    ],
    "score": [
        _score(1, "HONOS", "13.50", "2025-10-26 01:30:00"),
        _score(2, "PHQ9", "-1.00", "2025-06-01 09:00:00"),
        _score(3, "PHQ9", "17", "2025-06-02 09:00:00.250000"),
    ],
    "contact": [
        _contact(1, "2025-03-02 09:30:00", "ATT"),
        _contact(2, "2025-04-02 09:30:00", "DNA", note=""),
        _contact(3, "2025-05-02 09:30:00", "LEFT"),
    ],
}
