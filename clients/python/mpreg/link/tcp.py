"""MPREG frames over TCP: four bytes of length, big-endian, then so many bytes of JSON.

A frame of length 0 means nothing. ``PING`` and ``PONG`` are bare words instead of JSON.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Callable, List, Optional, cast

from ..errors import ConnectionFailed
from .endpoint import Endpoint
from .message import MESSAGE_BYTES_MAX
from .options import ConnectionOptions

_PING = b"\x00\x00\x00\x04PING"
_PONG = b"\x00\x00\x00\x04PONG"


class TcpLink(asyncio.Protocol):
    """A TCP connection. ``on_message`` gets each message, ``on_lost`` the reason of the end, once."""

    def __init__(
        self, on_message: Callable[[bytes], None], on_lost: Callable[[object], None], options: ConnectionOptions
    ) -> None:
        self._on_message = on_message
        self._on_lost = on_lost
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._transport: Optional[asyncio.Transport] = None
        self._received = bytearray()
        self._outgoing: List[bytes] = []
        self._watch: Optional[asyncio.TimerHandle] = None
        self._heard_at = self._loop.time()
        self._reason: object = "closed by the server"
        self._ended = self._loop.create_future()

    @staticmethod
    async def open(
        endpoint: Endpoint,
        options: ConnectionOptions,
        on_message: Callable[[bytes], None],
        on_lost: Callable[[object], None],
    ) -> "TcpLink":
        """Connects. Raises :class:`~mpreg.errors.ConnectionFailed`."""
        loop = asyncio.get_running_loop()
        context = (options.ssl_context or True) if endpoint.is_encrypted else None
        try:
            _, link = await loop.create_connection(
                lambda: TcpLink(on_message, on_lost, options), endpoint.host, endpoint.port, ssl=context
            )
        except (OSError, ValueError) as error:
            raise ConnectionFailed(endpoint.url, error) from error
        return link

    def send(self, text: bytes) -> None:
        """Sends a message. What is sent in one turn of the loop leaves in one write."""
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(len(text).to_bytes(4, "big"))
        self._outgoing.append(text)

    async def close(self) -> None:
        """Sends what is left and closes."""
        self._flush()
        if self._transport is not None:
            self._transport.close()
        try:
            await asyncio.wait_for(asyncio.shield(self._ended), timeout=2.0)
        except asyncio.TimeoutError:
            self.abort("closed")

    def abort(self, reason: object) -> None:
        """Ends the connection at once."""
        if not self._ended.done():
            self._reason = reason
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        if self._outgoing and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._outgoing))
        self._outgoing.clear()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        raw = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._options.ping_interval > 0:
            self._watch = self._loop.call_later(self._options.ping_interval, self._look)

    def connection_lost(self, error: Optional[Exception]) -> None:
        if self._watch is not None:
            self._watch.cancel()
        if not self._ended.done():
            self._ended.set_result(None)
            self._on_lost(error or self._reason)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        # Whole frames are read where they are; only the rest of one is kept.
        if self._received:
            self._received += data
            data = bytes(self._received) if self._is_complete() else b""
        if data:
            read = self._read_frames(data)
            self._received = bytearray(data[read:]) if read < len(data) else bytearray()

    def _is_complete(self) -> bool:
        """Whether the first frame is there: copying a long one on every read would cost its square."""
        received = self._received
        return len(received) >= 4 and len(received) - 4 >= int.from_bytes(received[:4], "big")

    def _read_frames(self, data: bytes) -> int:
        """Hands over the frames in ``data``; how many bytes they had."""
        at, end = 0, len(data)
        while end - at >= 4:
            size = int.from_bytes(data[at : at + 4], "big")
            if size > MESSAGE_BYTES_MAX:
                self.abort(f"the server announced a frame of {size} bytes")
                return end
            if end - at - 4 < size:
                break
            self._take(data[at + 4 : at + 4 + size])
            at += 4 + size
        return at

    def _take(self, frame: bytes) -> None:
        if frame == b"PING" and self._transport is not None:
            self._transport.write(_PONG)
        elif frame and frame != b"PONG":
            self._on_message(frame)

    def _look(self) -> None:
        """Asks a silent server for a sign of life, and gives up on one that sends none."""
        options = self._options
        silent = self._loop.time() - self._heard_at
        if silent >= options.ping_interval + options.ping_timeout:
            self.abort(f"the server said nothing for {silent:.0f} s")
            return
        if silent >= options.ping_interval and self._transport is not None:
            self._transport.write(_PING)
        self._watch = self._loop.call_later(min(options.ping_interval, options.ping_timeout), self._look)
