"""Many connections, to any of several servers."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from typing import Any, AsyncIterator, Deque, List, Optional, Sequence

from ..errors import ClientClosed, ConnectionFailed, RequestTimeout
from .client_api import MPREGClientAPI


class _Pooled:
    """A client of the pool and when it was made, by the loop's clock."""

    def __init__(self, client: MPREGClientAPI, made_at: float) -> None:
        self.client = client
        self.made_at = made_at


class ClientPool:
    """At most ``pool_size`` clients, lent one borrower at a time.

    The servers are taken in turns; one that cannot be reached is passed over. A client older than
    ``max_lifetime_seconds``, or without a connection when it comes back, is replaced by a new one.
    Closes with :meth:`close`, or as an ``async with`` block.
    """

    def __init__(
        self,
        urls: Sequence[str],
        pool_size: int = 10,
        max_lifetime_seconds: float = 3600.0,
        acquire_timeout: float = 30.0,
        **arguments: Any,
    ) -> None:
        if not urls or pool_size < 1:
            raise ValueError("a pool needs at least one URL and one place")
        self._urls = list(urls)
        self._size = pool_size
        self._lifetime = max_lifetime_seconds
        self._acquire_timeout = acquire_timeout
        self._arguments = arguments
        self._idle: List[_Pooled] = []
        self._lent = 0
        self._waiting: Deque[asyncio.Future[None]] = deque()
        self._next = 0
        self._closed = False

    @asynccontextmanager
    async def get_client(self) -> AsyncIterator[MPREGClientAPI]:
        """Lends a connected client.

        Waits up to ``acquire_timeout`` seconds for a place, then raises
        :class:`~mpreg.errors.RequestTimeout`; raises :class:`~mpreg.errors.ConnectionFailed` when no server
        can be reached, and :class:`~mpreg.errors.ClientClosed` once the pool is closed.
        """
        await self._take_place()
        pooled: Optional[_Pooled] = None
        try:
            pooled = await self._reuse() or await self._connect()
            yield pooled.client
        finally:
            self._lent -= 1
            if pooled is not None:
                if self._closed or not pooled.client.is_connected:
                    await pooled.client.disconnect()
                else:
                    self._idle.append(pooled)
            self._wake()

    async def close(self) -> None:
        """Closes idle clients now, lent ones when they come back. Who waits gets an error."""
        self._closed = True
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_exception(ClientClosed("the pool is closed"))
        idle, self._idle = self._idle, []
        for pooled in idle:
            await pooled.client.disconnect()

    async def __aenter__(self) -> "ClientPool":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _take_place(self) -> None:
        if self._closed:
            raise ClientClosed("the pool is closed")
        if self._lent < self._size:
            self._lent += 1
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            await asyncio.wait_for(asyncio.shield(waiting), self._acquire_timeout)
        except BaseException as error:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            elif waiting.done() and waiting.exception() is None:
                # The place came together with the end of the wait: the next one gets it.
                self._lent -= 1
                self._wake()
            if isinstance(error, asyncio.TimeoutError):
                raise RequestTimeout(self._acquire_timeout) from None
            raise

    def _wake(self) -> None:
        while self._waiting and self._lent < self._size:
            waiting = self._waiting.popleft()
            if not waiting.done():
                self._lent += 1
                waiting.set_result(None)

    async def _reuse(self) -> Optional[_Pooled]:
        now = asyncio.get_running_loop().time()
        while self._idle:
            pooled = self._idle.pop()
            if pooled.client.is_connected and now - pooled.made_at < self._lifetime:
                return pooled
            await pooled.client.disconnect()
        return None

    async def _connect(self) -> _Pooled:
        failures = []
        for _ in self._urls:
            url = self._urls[self._next % len(self._urls)]
            self._next += 1
            client = MPREGClientAPI(url, **self._arguments)
            try:
                await client.connect()
            except ConnectionFailed as failure:
                failures.append(failure)
                continue
            return _Pooled(client, asyncio.get_running_loop().time())
        if len(failures) == 1:
            raise failures[0]
        raise ConnectionFailed(", ".join(self._urls), "; ".join(str(failure) for failure in failures))


def create_transport_pool(
    urls: Sequence[str], pool_size: int = 10, max_lifetime_seconds: float = 3600.0, **arguments: Any
) -> ClientPool:
    """A pool of clients of ``urls``; further arguments go to each :class:`MPREGClientAPI`."""
    return ClientPool(urls, pool_size, max_lifetime_seconds, **arguments)
