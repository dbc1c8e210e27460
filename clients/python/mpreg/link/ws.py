"""Messages as WebSocket frames, by the ``websockets`` library."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, Callable, Dict, List, Optional, Union

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from ..errors import ConnectionFailed
from .endpoint import Endpoint
from .message import MESSAGE_BYTES_MAX
from .options import ConnectionOptions

Incoming = Callable[[Union[str, bytes]], None]


def _arguments(endpoint: Endpoint, options: ConnectionOptions) -> Dict[str, Any]:
    arguments: Dict[str, Any] = {
        "additional_headers": dict(options.headers),
        "compression": None,
        "max_size": MESSAGE_BYTES_MAX,
        "open_timeout": None,
        "close_timeout": 2.0,
        "ping_interval": options.ping_interval or None,
        "ping_timeout": options.ping_timeout,
    }
    if endpoint.is_encrypted and options.ssl_context is not None:
        arguments["ssl"] = options.ssl_context
    # Newer versions go through the proxy of the environment, which TCP does not; a node is reached directly.
    if "proxy" in inspect.signature(connect.__init__).parameters:
        arguments["proxy"] = None
    return arguments


class WsLink:
    """A WebSocket connection. ``on_message`` gets each message, ``on_lost`` the reason of the end, once."""

    def __init__(self, socket: ClientConnection, on_message: Incoming, on_lost: Callable[[object], None]) -> None:
        self._socket = socket
        self._on_message = on_message
        self._on_lost = on_lost
        self._reason: object = None
        self._outgoing: List[bytes] = []
        self._wake: Optional[asyncio.Future[None]] = None
        self._writer = asyncio.ensure_future(self._write())
        self._reader = asyncio.ensure_future(self._read())

    @staticmethod
    async def open(
        endpoint: Endpoint, options: ConnectionOptions, on_message: Incoming, on_lost: Callable[[object], None]
    ) -> "WsLink":
        """Connects. Raises :class:`~mpreg.errors.ConnectionFailed`."""
        try:
            socket = await connect(endpoint.url, **_arguments(endpoint, options))
        except InvalidStatus as error:
            raise ConnectionFailed(endpoint.url, error, error.response.status_code) from error
        except (OSError, WebSocketException, ValueError) as error:
            raise ConnectionFailed(endpoint.url, error) from error
        return WsLink(socket, on_message, on_lost)

    def send(self, text: bytes) -> None:
        """Sends a message."""
        self._outgoing.append(text)
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def close(self) -> None:
        """Sends what is left and closes."""
        for text in self._take():
            try:
                await self._socket.send(text)
            except ConnectionClosed:
                break
        await self._socket.close()
        await asyncio.gather(self._reader, return_exceptions=True)

    def abort(self, reason: object) -> None:
        """Ends the connection at once."""
        self._reason = self._reason or reason
        self._socket.transport.abort()

    def _take(self) -> List[bytes]:
        taken, self._outgoing = self._outgoing, []
        return taken

    async def _read(self) -> None:
        reason: object = "closed by the server"
        try:
            async for text in self._socket:
                self._on_message(text)
        except ConnectionClosed as error:
            reason = error
        except Exception as error:
            reason = error
            self._socket.transport.abort()
        # Nobody but the end of the event loop cancels this; then there is nobody to tell.
        self._writer.cancel()
        self._on_lost(self._reason or reason)

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake = loop.create_future()
            if not self._outgoing:
                await self._wake
            for text in self._take():
                try:
                    await self._socket.send(text)
                except ConnectionClosed:
                    # The reader tells.
                    return
