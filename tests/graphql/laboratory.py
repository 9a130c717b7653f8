"""The estate's laboratory, sending one more message: over MLLP, as it sends all of them."""

from tests.support.mllp_sender import Sender

MICHAEL_THERE = "4471902"
LOUISE_THERE = "3310457"
_NAMES = {MICHAEL_THERE: "QUILLFEATHER^MICHAEL", LOUISE_THERE: "FENNIMARSH^LOUISE"}
_HEAD = r"MSH|^~\&|RAVLIMS|ZRH77|SHERWOOD|ZRH|20260317020500||ORU^R01^ORU_R01|{control}|P|2.5.1|||AL|NE||UNICODE UTF-8"
_PID = "PID|1||{number}^^^ZRH&2.16.840.1.113883.2.1.3.2.4.18.99.1&ISO^MR||{name}^^^^^L"
_OBR = "OBR|1||{order}|K^Potassium^99RAV|||20260317015500|||||||||||||||20260317020500||LAB|F"
_OBX = "OBX|1|NM|K^Potassium^99RAV||{value}|mmol/L^mmol/L^UCUM|3.5-5.3||||F|||20260317015500|||||||{order}-K"


async def send_potassium(port: int, value: str, *, number: str = MICHAEL_THERE) -> None:
    """One potassium result, acknowledged: from then on it is in the store."""
    control = f"SUB-{number}-{value}"
    written = {"control": control, "number": number, "name": _NAMES[number], "order": control, "value": value}
    message = "".join(line.format(**written) + "\r" for line in (_HEAD, _PID, _OBR, _OBX))
    async with Sender(port) as sender:
        code, _ = await sender.send(message.encode())
        assert code in ("AA", "CA")
