"""CPU time to parse and to read an HL7 v2 message of 200 segments, and that both grow in line with the message.

Run: python bench/hl7v2_parse.py
"""

import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from adapters.hl7v2 import Hl7v2Adapter, Hl7v2Settings
from adapters.hl7v2.parser import parse
from adapters.sdk import Source, SourceRecord

HEAD = [
    r"MSH|^~\&|LAB|RBI|S|S|20260317020000||ORF^R04|1|P|2.5||||||UNICODE UTF-8",
    "MSA|AA|1",
    r"PID|1||9990000018^^^NHS^NH~771^^^RBI^MR||QUILL\T\FEATHER^Michael^Aubrey||19680614|M",
    "OBR|1|P1|F1|24325-3^Liver function^LN|||202603170130",
]
LINE = r"OBX|{at}|NM|1742-6^Alanine \T\ aminotransferase^LN|{at}|13.50|U/L^^UCUM|10_40|H|||F|||20260317013000+0000"


def message(segments: int) -> bytes:
    lines = [*HEAD, *(LINE.format(at=at) for at in range(segments - len(HEAD)))]
    return "\r".join(lines).encode()


def best_ms(work: object, rounds: int = 15) -> float:
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()  # type: ignore[operator]
        times.append(time.process_time() - start)
    return min(times) * 1000


def main() -> None:
    settings = Hl7v2Settings(host="127.0.0.1", port=2575)
    zone = ZoneInfo("Europe/London")
    adapter = Hl7v2Adapter(Source(id="b", name="b", organization="b", timezone=zone, settings=settings))
    for segments in (200, 2_000, 20_000):
        data = message(segments)
        record = SourceRecord(
            kind="ORF^R04", types=frozenset({"Observation"}), parts=(data,), retrieved=datetime.now(UTC)
        )
        rounds = 15 if segments < 20_000 else 3
        parsed = best_ms(lambda data=data: parse(data), rounds)
        read = best_ms(lambda record=record: list(adapter.read(record)), rounds)
        print(f"{segments:6} segments  {len(data):8} bytes  parse {parsed:8.3f} ms  facts {read:9.3f} ms")


if __name__ == "__main__":
    main()
