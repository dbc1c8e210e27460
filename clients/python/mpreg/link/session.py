"""The connection that is opened again when it is lost."""

from __future__ import annotations

import asyncio
import logging
from typing import Awaitable, Callable, Dict, List, Optional

from ..errors import ClientClosed, ConnectionLost, MPREGError
from .backoff import delays
from .connection import Connection, Handler
from .endpoint import parse
from .message import Message
from .options import ConnectionOptions

log = logging.getLogger("mpreg")

Hook = Callable[[Connection], Awaitable[None]]
"""Runs on each new connection after the first, before anybody else may use it: it says again what the
server forgot with the old one."""


class Session:
    """A server's address, and a connection to it whenever that is possible.

    ::

        new ──open──> open ──lost──> waiting ──opened, hooks done──> open
                        └────────────── close ──────────> closed

    While it waits, requests wait too, within their time limits. Requests that were under way when the
    connection was lost end with :class:`~mpreg.errors.ConnectionLost`: only their callers know whether
    they may be repeated.
    """

    def __init__(self, url: str, options: Optional[ConnectionOptions] = None) -> None:
        self.url = url
        self.options = options or ConnectionOptions()
        self._endpoint = parse(url)
        self._handlers: Dict[str, Handler] = {}
        self._hooks: List[Hook] = []
        self._connection: Optional[Connection] = None
        self._opening: Optional[asyncio.Task[None]] = None
        self._reopening: Optional[asyncio.Task[None]] = None
        self._last_failure: object = "never connected"

    @property
    def is_open(self) -> bool:
        """Whether there is a connection now."""
        return self._connection is not None

    @property
    def is_started(self) -> bool:
        """Whether the session is open or waits for a new connection."""
        return self._connection is not None or self._reopening is not None

    def handle(self, role: str, handler: Handler) -> None:
        """Gives all messages of ``role`` to ``handler``, on this and all later connections."""
        self._handlers[role] = handler

    def on_reopen(self, hook: Hook) -> None:
        """Adds a hook for later connections."""
        self._hooks.append(hook)

    def forget(self, hook: Hook) -> None:
        """Takes a hook back."""
        self._hooks = [known for known in self._hooks if known != hook]

    async def open(self) -> None:
        """Connects, unless that is done. A failure is raised at once and not tried again.

        Raises :class:`~mpreg.errors.ConnectionFailed`.
        """
        if self.is_started:
            return
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._open())
        await asyncio.shield(self._opening)

    async def _open(self) -> None:
        try:
            self._connection = connection = await self._connect()
        finally:
            self._opening = None
        if connection.lost is not None:
            self._lost(connection, connection.lost)

    async def _connect(self) -> Connection:
        return await Connection.open(self._endpoint, self.options, self._handlers, self._lost)

    async def close(self) -> None:
        """Closes. Requests under way or waiting end with :class:`~mpreg.errors.ClientClosed`."""
        self._last_failure = "closed"
        unfinished = [task for task in (self._opening, self._reopening) if task is not None]
        self._reopening = None
        for task in unfinished:
            task.cancel()
        if unfinished:
            await asyncio.wait(unfinished)
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def request(self, message: Message, timeout: float) -> Message:
        """Sends a request and waits for its answer, and before that for a connection: all within
        ``timeout`` seconds. Raises what :meth:`Connection.request` raises.
        """
        connection = self._connection
        if connection is None:
            loop = asyncio.get_running_loop()
            began = loop.time()
            connection = await self._wait(timeout)
            timeout = max(timeout - (loop.time() - began), 0.001)
        return await connection.request(message, timeout)

    def send(self, message: Message) -> bool:
        """Sends a message that has no answer; whether there was a connection."""
        if self._connection is None:
            return False
        self._connection.send(message)
        return True

    async def _wait(self, timeout: float) -> Connection:
        reopening = self._reopening
        if reopening is None:
            raise ClientClosed(f"not connected: {self._last_failure}")
        await asyncio.wait([reopening], timeout=timeout)
        if self._connection is None:
            if self._reopening is None:
                raise ClientClosed(f"not connected: {self._last_failure}")
            raise ConnectionLost(self._last_failure, sent=False)
        return self._connection

    def _lost(self, connection: Connection, reason: object) -> None:
        if connection is not self._connection:
            return
        self._connection = None
        self._last_failure = reason
        log.info("the connection to %s was lost: %s", self.url, reason)
        if self.options.reconnect:
            self._reopening = asyncio.ensure_future(self._reopen())

    async def _reopen(self) -> None:
        for delay in delays(self.options.reconnect_delay, self.options.reconnect_delay_max):
            await asyncio.sleep(delay)
            try:
                connection = await self._connect()
            except MPREGError as error:
                self._last_failure = error
                continue
            if await self._restore(connection):
                self._connection = connection
                self._reopening = None
                log.info("connected to %s again", self.url)
                return

    async def _restore(self, connection: Connection) -> bool:
        """Runs the hooks; whether the connection is still there after them."""
        try:
            for hook in list(self._hooks):
                await hook(connection)
        except Exception as error:
            if not isinstance(error, MPREGError):
                log.exception("restoring the connection to %s", self.url)
            self._last_failure = error
            await connection.close()
        except BaseException:
            connection.abort("given up")
            raise
        return connection.lost is None
