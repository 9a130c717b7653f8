"""A sender of HL7 v2 messages over MLLP, as an integration engine is one: it waits for each acknowledgement."""

import asyncio
from types import TracebackType
from typing import Self

from adapters.hl7v2.mllp import FrameReader, frame


class Sender:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._frames = FrameReader(1024 * 1024)
        self._ready: list[bytes] = []

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, e: BaseException | None, t: TracebackType | None
    ) -> None:
        self.writer.transport.abort()
        await asyncio.sleep(0)

    async def send(self, message: bytes) -> list[str]:
        """Send one message; [code, control id] of the acknowledgement."""
        await self.put(frame(message))
        return await self.acknowledgement()

    async def put(self, data: bytes) -> None:
        """Bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def acknowledgement(self) -> list[str]:
        """[code, control id] of the next one. Raises ConnectionError when the listener is gone."""
        payload = await self.receive()
        msa = next((line for line in payload.decode().split("\r") if line.startswith("MSA|")), "MSA|?|?")
        return [*msa.split("|")[1:3], ""][:2]

    async def receive(self) -> bytes:
        """The next frame. Raises ConnectionError when the listener is gone."""
        while not self._ready:
            async with asyncio.timeout(30):
                chunk = await self.reader.read(65536)
            if not chunk:
                raise ConnectionResetError
            self._ready += self._frames.feed(chunk)
        return self._ready.pop(0)
