"""Calls under way on a worker."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional, Tuple

from ..errors import MPREGError
from ..link.message import Message

log = logging.getLogger("mpreg")

Send = Callable[[Message], object]


@dataclass(frozen=True)
class Served:
    """A function that is served."""

    function: Callable[..., Any]
    is_async: bool
    blocks: bool
    declaration: Dict[str, Any]


class Calls:
    """Runs what is asked for and sends back what came of it.

    Plain functions run where they are, asynchronous ones as tasks, blocking ones in threads. Whatever a
    function does, its call is answered once.
    """

    def __init__(self, functions: Dict[Tuple[str, str], Served], send: Send, executor: Optional[Executor]) -> None:
        self._functions = functions
        self._send = send
        self._executor = executor
        self._running: Dict[str, asyncio.Future[Any]] = {}

    def __len__(self) -> int:
        return len(self._running)

    def invoke(self, message: Message) -> None:
        """Takes an ``rpc-invoke``."""
        u = message["u"]
        served = self._functions.get((message["fun"], message["version"]))
        if served is None:
            self._fail(u, "CommandNotFound", f"{message['fun']} {message['version']} is not served here")
            return
        args, kwargs = message.get("args") or (), message.get("kwargs") or {}
        if not served.is_async and not served.blocks:
            try:
                result = served.function(*args, **kwargs)
            except Exception as error:
                self._fail(u, type(error).__name__, str(error))
                return
            if not inspect.isawaitable(result):
                self._finish(u, result)
                return
            running = asyncio.ensure_future(result)
        elif served.blocks:
            call = functools.partial(served.function, *args, **kwargs)
            running = asyncio.ensure_future(asyncio.get_running_loop().run_in_executor(self._executor, call))
        else:
            running = asyncio.ensure_future(_run(served.function, args, kwargs))
        self._running[u] = running
        running.add_done_callback(functools.partial(self._done, u))

    def cancel(self, message: Message) -> None:
        """Takes an ``rpc-cancel``: nobody waits any more. A thread cannot be stopped; its result is not awaited."""
        running = self._running.get(message.get("u", ""))
        if running is not None:
            running.cancel()

    def abandon(self) -> None:
        """The connection is lost: nobody takes the results of what runs."""
        running, self._running = self._running, {}
        for call in running.values():
            call.cancel()

    async def finish(self, timeout: float) -> None:
        """Waits until all are answered, at most ``timeout`` seconds."""
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=timeout)

    def _done(self, u: str, running: "asyncio.Future[Any]") -> None:
        known = self._running.pop(u, None)
        if running.cancelled():
            if known is not None:
                self._fail(u, "Cancelled", "the call was cancelled")
            return
        error = running.exception()
        if known is None:
            return
        if error is not None:
            self._fail(u, type(error).__name__, str(error))
        else:
            self._finish(u, running.result())

    def _finish(self, u: str, result: Any) -> None:
        try:
            self._send({"role": "rpc-result", "u": u, "result": result})
        except MPREGError as error:
            # Not JSON, or too long: the caller must hear that.
            self._fail(u, type(error).__name__, f"the result cannot be sent: {error}")

    def _fail(self, u: str, kind: str, message: str) -> None:
        text = message.encode("utf-8", "replace").decode("utf-8")[:4096]
        self._send({"role": "rpc-result", "u": u, "error": {"type": kind, "message": text}})


async def _run(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """Calls it inside of the task, so that wrong arguments end there, too."""
    return await function(*args, **kwargs)
