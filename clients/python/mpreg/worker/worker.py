"""A connection that serves functions."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, TypeVar, Union

from ..cache.key import CacheKey
from ..client.client_api import MPREGClientAPI
from ..errors import CommandNotFound, MPREGError, RpcError
from ..link.connection import Connection
from ..link.message import Message, new_id
from .calls import Calls, Served
from .declaration import Promises, declare

log = logging.getLogger("mpreg")

F = TypeVar("F", bound=Callable[..., Any])

FUNCTIONS_AT_ONCE = 512
"""Declarations in one registration; the server takes 1,024."""
THREADS = 16


class Worker:
    """Serves functions on a connection of its own, until it is stopped.

    The server sends at most ``max_in_flight`` calls at once (1 to 1,024), and takes a worker that says
    nothing for ``lease_ms`` (1,000 to 600,000) for dead; a heartbeat three times within that prevents it.
    After a lost connection everything is registered again by itself. ``threads`` run functions that block.
    ``arguments`` are those of :class:`MPREGClientAPI`.
    """

    def __init__(
        self,
        url: str,
        *,
        name: Optional[str] = None,
        max_in_flight: int = 64,
        lease_ms: int = 15_000,
        threads: int = THREADS,
        **arguments: Any,
    ) -> None:
        self.name = name or f"{socket.gethostname()}-{os.getpid()}"
        self.client = MPREGClientAPI(url, **arguments)
        """The connection; functions may call others through it."""
        self._max_in_flight = max_in_flight
        self._lease_ms = lease_ms
        self._functions: Dict[Tuple[str, str], Served] = {}
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=self.name)
        self._session = self.client._client.session
        self._calls = Calls(self._functions, self._session.send, self._executor)
        self._heartbeat: Optional[asyncio.Task[None]] = None

    def function(
        self,
        name: Optional[str] = None,
        *,
        blocking: bool = False,
        function_id: Optional[str] = None,
        version: str = "1.0.0",
        namespace: Optional[str] = None,
        scope: Optional[str] = None,
        resources: Sequence[str] = (),
        tags: Sequence[str] = (),
        idempotent: bool = False,
        pure: bool = False,
        ttl_seconds: Optional[float] = None,
        dependencies: Sequence[Union[CacheKey, str]] = (),
        examples: Sequence[Mapping[str, Any]] = (),
    ) -> Callable[[F], F]:
        """Declares a function to serve; its name by default. Use before :meth:`start`.

        A plain function runs on the event loop and must be quick: what takes longer than the lease lets the
        worker look dead. One that computes or waits for long is ``blocking`` and runs in a thread, or is a
        coroutine function.

        ``idempotent`` promises that running it twice is as good as once, so that a call whose worker was lost
        is repeated on another. ``pure`` promises that equal arguments have equal results: they are kept in
        the server's cache for ``ttl_seconds`` (for ever by default), as entries that depend on the cache keys
        ``dependencies``. What a function raises becomes its caller's
        :class:`~mpreg.errors.ExecutionFailed`, ``kind`` being the name of its class.
        """
        promises = Promises(
            function_id,
            version,
            namespace,
            scope,
            resources,
            tags,
            idempotent,
            pure,
            ttl_seconds,
            dependencies,
            examples,
        )

        def decorate(function: F) -> F:
            public = name or function.__name__
            is_async = inspect.iscoroutinefunction(function)
            self._functions[public, version_text(version)] = Served(
                function, is_async, blocking and not is_async, declare(public, function, promises)
            )
            return function

        return decorate

    async def start(self) -> None:
        """Connects and registers.

        Raises :class:`~mpreg.errors.ConnectionFailed`, or :class:`~mpreg.errors.RpcError` when the server
        refuses a declaration; then nothing is served.
        """
        self._session.handle("rpc-invoke", self._calls.invoke)
        self._session.handle("rpc-cancel", self._calls.cancel)
        await self.client.connect()
        try:
            await self._register(self._session.request)
        except BaseException:
            await self.client.disconnect()
            raise
        self._session.on_reopen(self._restore)
        self._heartbeat = asyncio.ensure_future(self._beat())

    async def stop(self, timeout: float = 10.0) -> None:
        """Takes the functions back, finishes calls under way within ``timeout`` seconds, and disconnects."""
        self._session.forget(self._restore)
        if self._heartbeat is not None:
            self._heartbeat.cancel()
            self._heartbeat = None
        try:
            if self.client.is_connected:
                await self._session.request({"role": "rpc-unregister", "u": new_id()}, timeout)
                await self._calls.finish(timeout)
        except MPREGError as error:
            log.warning("stopping the worker %s: %s", self.name, error)
        finally:
            self._calls.abandon()
            await self.client.disconnect()
            self._executor.shutdown(wait=False)

    async def run(self) -> None:
        """Starts, and serves until SIGINT, SIGTERM or the cancellation of the task; then stops in order."""
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        with contextlib.ExitStack() as handlers:
            for number in (signal.SIGINT, signal.SIGTERM):
                # Not on Windows, nor outside of the main thread: there cancellation is the way.
                with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                    loop.add_signal_handler(number, ended.set)
                    handlers.callback(loop.remove_signal_handler, number)
            async with self:
                await ended.wait()

    async def __aenter__(self) -> "Worker":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _register(self, request: Callable[[Message, float], Any]) -> None:
        declarations = [served.declaration for served in self._functions.values()]
        for at in range(0, len(declarations), FUNCTIONS_AT_ONCE):
            await self._register_some(request, declarations[at : at + FUNCTIONS_AT_ONCE])

    async def _register_some(
        self, request: Callable[[Message, float], Any], declarations: List[Dict[str, Any]]
    ) -> None:
        message = {
            "role": "rpc-register",
            "u": new_id(),
            "worker": self.name,
            "max_in_flight": self._max_in_flight,
            "lease_ms": self._lease_ms,
            "functions": declarations,
        }
        result = _result(await request(message, self.client._client.options.reply_timeout))
        self._lease_ms = int(result["lease_ms"])

    async def _restore(self, connection: Connection) -> None:
        """Registers on a new connection. Calls of the old one are lost: their callers were told."""
        self._calls.abandon()
        await self._register(connection.request)

    async def _beat(self) -> None:
        while True:
            pause = self._lease_ms / 3000
            await asyncio.sleep(pause)
            try:
                _result(await self._session.request({"role": "rpc-heartbeat", "u": new_id()}, pause))
            except CommandNotFound:
                log.warning("the lease of worker %s has ended; registering again", self.name)
                await self._register_again()
            except MPREGError as error:
                log.warning("heartbeat of worker %s: %s", self.name, error)

    async def _register_again(self) -> None:
        try:
            await self._register(self._session.request)
        except MPREGError as error:
            log.warning("registering worker %s: %s", self.name, error)


def version_text(version: str) -> str:
    """The version as the server writes it: three parts, no ``v``."""
    parts = version.strip().lstrip("v").split(".")
    return ".".join(parts + ["0"] * (3 - len(parts)))


def _result(reply: Message) -> Dict[str, Any]:
    error = reply.get("error")
    if error:
        raise RpcError.of(error)
    return dict(reply.get("r") or {})
