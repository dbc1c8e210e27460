"""Calls, command graphs and discovery."""

from __future__ import annotations

import dataclasses
import ssl
from types import TracebackType
from typing import AbstractSet, Any, Dict, Mapping, Optional, Sequence, Type, TypeVar

from ..core.model import RPCCommand, RPCRequest, RPCResponse
from ..link.message import Message
from ..link.options import ConnectionOptions
from .client import Client
from .discovery import Discovery

Self = TypeVar("Self", bound="MPREGClientAPI")


class MPREGClientAPI(Discovery):
    """A client of one server. Any number of tasks may share it; their requests are pipelined.

    ``url`` is ``ws://``, ``wss://``, ``tcp://`` or ``tcps://`` with host and port. ``headers`` carry
    credentials, as do ``auth_token`` (a bearer token) and ``api_key``. ``options`` sets limits of time.

    ::

        async with MPREGClientAPI("ws://127.0.0.1:9001") as client:
            assert await client.call("echo", 1) == 1
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Optional[Mapping[str, str]] = None,
        auth_token: Optional[str] = None,
        api_key: Optional[str] = None,
        ssl_context: Optional[ssl.SSLContext] = None,
        options: Optional[ConnectionOptions] = None,
    ) -> None:
        base = options or ConnectionOptions()
        whole: Dict[str, str] = {**base.headers, **(headers or {})}
        if auth_token is not None:
            whole["Authorization"] = f"Bearer {auth_token}"
        if api_key is not None:
            whole["X-API-Key"] = api_key
        self._client = Client(
            url, dataclasses.replace(base, headers=whole, ssl_context=ssl_context or base.ssl_context)
        )

    @property
    def url(self) -> str:
        """The server's address."""
        return self._client.url

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection now."""
        return self._client.session.is_open

    async def connect(self) -> None:
        """Connects, unless that is done.

        A connection lost later is opened again by itself. Raises :class:`~mpreg.errors.ConnectionFailed`
        (a ``ConnectionError``) when there is no server, or it refuses the credentials (``status`` 401).
        """
        await self._client.connect()

    async def disconnect(self) -> None:
        """Closes; requests under way end with :class:`~mpreg.errors.ClientClosed`."""
        await self._client.disconnect()

    async def __aenter__(self: Self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.disconnect()

    async def call(
        self,
        fun: str,
        *args: Any,
        locs: Optional[AbstractSet[str]] = None,
        function_id: Optional[str] = None,
        version_constraint: Optional[str] = None,
        target_cluster: Optional[str] = None,
        routing_topic: Optional[str] = None,
        timeout: Optional[float] = None,
        **kwargs: Any,
    ) -> Any:
        """Calls one function and returns its result.

        ``locs`` are resources that whoever runs it must have, ``version_constraint`` is like
        ``">=1.0.0,<2.0.0"``, ``timeout`` is in seconds (default: ``options.call_timeout``, 35). A keyword
        argument of the function that has the name of one of these needs :class:`RPCCommand`.

        Connects first where that was not done. Raises a subclass of :class:`~mpreg.errors.RpcError` when the
        server answers with an error (:class:`~mpreg.errors.CommandNotFound` for an unknown function),
        otherwise what every request may raise: see :mod:`mpreg.errors`.
        """
        command = RPCCommand(
            fun,
            fun,
            args,
            kwargs,
            frozenset(locs or ()),
            function_id,
            version_constraint,
            target_cluster,
            routing_topic,
        )
        results = await self.request([command], timeout)
        return results[fun] if isinstance(results, dict) and fun in results else results

    async def request(self, cmds: Sequence[RPCCommand], timeout: Optional[float] = None) -> Any:
        """Runs a graph: the results of its last level, by command name. Raises as :meth:`call` does."""
        await self.connect()
        return await self._client.request(cmds, timeout)

    async def request_enhanced(self, request: RPCRequest, timeout: Optional[float] = None) -> RPCResponse:
        """Runs a graph: the whole answer, with what was asked about its execution. Raises as :meth:`call` does."""
        await self.connect()
        return await self._client.request_enhanced(request, timeout)

    async def send_raw_message(self, message: Mapping[str, Any], timeout: Optional[float] = None) -> Message:
        """Sends any message of the protocol and returns the answer as it came."""
        await self.connect()
        return await self._client.send_raw_message(message, timeout)
