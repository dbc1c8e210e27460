"""Requests over one connection, until it ends."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Callable, Dict, Mapping, Optional, Union

from ..errors import ClientClosed, ConnectionFailed, ConnectionLost, MPREGError, ProtocolError, RequestTimeout
from .endpoint import Endpoint
from .message import Message, decode, encode, new_id
from .options import ConnectionOptions
from .tcp import TcpLink
from .ws import WsLink

log = logging.getLogger("mpreg")

Handler = Callable[[Message], None]
"""Takes messages nobody asked for. Runs on the reader: it must neither block nor wait."""


class Connection:
    """A connection that is open, or over for good.

    Requests are pipelined; answers find theirs by ``u``. However the connection ends, every request
    under way ends with an error.
    """

    def __init__(self, handlers: Mapping[str, Handler], on_lost: Callable[["Connection", object], None]) -> None:
        self._handlers = handlers
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._pending: Dict[str, asyncio.Future[Message]] = {}
        self._link: Optional[Union[TcpLink, WsLink]] = None
        self._closed = False
        self.lost: Optional[object] = None
        """Why the connection is over; ``None`` while it is open."""

    @staticmethod
    async def open(
        endpoint: Endpoint,
        options: ConnectionOptions,
        handlers: Mapping[str, Handler],
        on_lost: Callable[["Connection", object], None],
    ) -> "Connection":
        """Connects and, over TCP, authenticates.

        Raises :class:`~mpreg.errors.ConnectionFailed`, also when ``connect_timeout`` goes by.
        """
        connection = Connection(handlers, on_lost)
        try:
            await asyncio.wait_for(connection._open(endpoint, options), options.connect_timeout)
        except asyncio.TimeoutError:
            connection.abort("late")
            raise ConnectionFailed(endpoint.url, f"no answer within {options.connect_timeout:g} s") from None
        except ConnectionLost as error:
            raise ConnectionFailed(endpoint.url, error) from error
        return connection

    async def _open(self, endpoint: Endpoint, options: ConnectionOptions) -> None:
        if endpoint.is_websocket:
            self._link = await WsLink.open(endpoint, options, self._take, self._end)
        else:
            self._link = await TcpLink.open(endpoint, options, self._take, self._end)
            credentials = _credentials(options.headers)
            if credentials:
                await self._authenticate(endpoint, credentials, options.reply_timeout)

    async def _authenticate(self, endpoint: Endpoint, credentials: Dict[str, str], timeout: float) -> None:
        reply = await self.request({"role": "auth", "u": new_id(), **credentials}, timeout)
        error = reply.get("error")
        # A server that knows no such message asks for no credentials.
        if error and error.get("code") != 1004:
            self.abort("not authenticated")
            raise ConnectionFailed(endpoint.url, error.get("message"), error.get("code"))

    async def request(self, message: Message, timeout: float) -> Message:
        """Sends ``message``, which has a ``u``, and waits for the answer, at most ``timeout`` seconds.

        Raises :class:`~mpreg.errors.RequestTimeout`, :class:`~mpreg.errors.ConnectionLost`,
        :class:`~mpreg.errors.ClientClosed`, :class:`~mpreg.errors.EncodeError` or
        :class:`~mpreg.errors.MessageTooLarge`.
        """
        text = encode(message)
        u = message["u"]
        if u in self._pending:
            raise ValueError(f"request id {u!r} is in use")
        if self.lost is not None or self._link is None:
            raise ConnectionLost(self.lost, sent=False)
        answer: asyncio.Future[Message] = self._loop.create_future()
        self._pending[u] = answer
        timer = self._loop.call_later(timeout, _fail, answer, RequestTimeout(timeout))
        try:
            self._link.send(text)
            return await answer
        finally:
            timer.cancel()
            self._pending.pop(u, None)

    def send(self, message: Message) -> None:
        """Sends a message that has no answer. On a connection that is over it is dropped."""
        if self._link is not None and self.lost is None:
            self._link.send(encode(message))

    async def close(self) -> None:
        """Closes; requests under way end with :class:`~mpreg.errors.ClientClosed`."""
        self._closed = True
        if self._link is not None and self.lost is None:
            await self._link.close()
        self._end("closed")

    def abort(self, reason: object) -> None:
        """Ends the connection at once."""
        if self._link is not None:
            self._link.abort(reason)
        self._end(reason)

    def _take(self, text: Union[str, bytes]) -> None:
        try:
            message = decode(text)
        except ProtocolError as error:
            self.abort(error)
            return
        role = message.get("role")
        handler = self._handlers.get(role) if isinstance(role, str) else None
        if handler is not None:
            handler(message)
            return
        u: Any = message.get("operation_id" if role == "pubsub-ack" else "u")
        answer = self._pending.pop(u, None) if isinstance(u, str) else None
        if answer is None:
            log.warning("a %s that nobody waits for: %.200s", role, message)
        elif not answer.done():
            answer.set_result(message)

    def _end(self, reason: object) -> None:
        if self.lost is not None:
            return
        self.lost = reason
        for answer in list(self._pending.values()):
            error: MPREGError = ClientClosed("closed") if self._closed else ConnectionLost(reason, sent=True)
            _fail(answer, error)
        self._on_lost(self, reason)


def _fail(answer: "asyncio.Future[Message]", error: MPREGError) -> None:
    if not answer.done():
        answer.set_exception(error)


def _credentials(headers: Mapping[str, str]) -> Dict[str, str]:
    """The members of an ``auth`` message that say what the headers say."""
    named = {name.lower(): value.strip() for name, value in headers.items()}
    credentials = {}
    if "authorization" in named:
        credentials["token"] = named["authorization"].split(None, 1)[-1]
    if "x-api-key" in named:
        credentials["api_key"] = named["x-api-key"]
    return credentials
