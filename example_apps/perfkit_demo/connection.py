"""One HTTP/1.1 connection to the shop: the little of the protocol that a visitor needs.

Source: RFC 9112, sections 6 (message body) and 9 (connection management). Deviations: no pipelining,
no trailers.
"""

from __future__ import annotations

import asyncio

from perfkit_demo.journeys import Step

__all__ = ["Connection"]


class Connection:
    """A connection that is opened by the first request and kept for the next ones."""

    def __init__(self, host: str, port: int) -> None:
        """Speak to *host* and *port*."""
        self._host, self._port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, step: Step) -> int:
        """Send one request, read the whole answer, and return its status.

        Raises:
            OSError: The connection could not be made, or broke.
            EOFError: The server closed it in the middle of the answer.
            ValueError: The answer is no HTTP.
        """
        if self._streams is not None and self._streams[0].at_eof():
            await self.close()  # the server has closed it since the last answer, as it may
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        try:
            writer.write(self._message(step))
            await writer.drain()
            status, is_kept = await self._read_answer(reader, step.method)
        except BaseException:
            # Whatever is left of the answer would be taken for the next one.
            await self.close()
            raise
        if not is_kept:
            await self.close()
        return status

    async def close(self) -> None:
        """Close the connection; the next request opens a new one."""
        streams, self._streams = self._streams, None
        if streams is None:
            return
        streams[1].close()
        try:
            await streams[1].wait_closed()
        except OSError:
            return  # it was broken already, and closed is what was wanted

    def _message(self, step: Step) -> bytes:
        body = step.body.encode()
        lines = [f"{step.method} {step.target} HTTP/1.1", f"Host: {self._host}:{self._port}", "Accept: */*"]
        if body:
            lines.append("Content-Type: application/json")
        if body or step.method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode() + body

    async def _read_answer(self, reader: asyncio.StreamReader, method: str) -> tuple[int, bool]:
        """Read head and body; return the status and whether the connection can be used again."""
        first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(first.partition(" ")[2][:3])
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        is_kept = headers.get("connection", "").lower() != "close"
        if method == "HEAD" or status in (204, 304):
            return status, is_kept
        if headers.get("transfer-encoding", "").lower() == "chunked":
            await self._read_chunks(reader)
        elif "content-length" in headers:
            await reader.readexactly(int(headers["content-length"]))
        else:
            await reader.read()
            is_kept = False
        return status, is_kept

    async def _read_chunks(self, reader: asyncio.StreamReader) -> None:
        size = -1
        while size != 0:
            size = int((await reader.readline()).split(b";")[0], 16)
            await reader.readexactly(size + 2)
