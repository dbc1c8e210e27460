"""How a :class:`~mpreg.core.global_cache.GlobalCacheManager` reaches its cache."""

from __future__ import annotations

import os
from typing import Any, Mapping, Optional

from ..client.client_api import MPREGClientAPI

URL_DEFAULT = "ws://127.0.0.1:9001"


class InProcessCacheTransport:
    """A way to a server. The name is upstream's, where caches of one process met in a transport.

    Here they meet at the server ``url``; by default the one that the environment variable ``MPREG_URL``
    names, or ``ws://127.0.0.1:9001``. Managers that share a transport share its connection.
    """

    def __init__(self, url: Optional[str] = None, *, headers: Optional[Mapping[str, str]] = None, **arguments: Any):
        self.url = url or os.environ.get("MPREG_URL") or URL_DEFAULT
        self._arguments = {"headers": headers, **arguments}
        self._client: Optional[MPREGClientAPI] = None
        self._users = 0

    async def acquire(self) -> MPREGClientAPI:
        """The connected client. Each call is ended by one of :meth:`release`."""
        if self._client is None:
            self._client = MPREGClientAPI(self.url, **self._arguments)
        client = self._client
        await client.connect()
        self._users += 1
        return client

    async def release(self) -> None:
        """Disconnects when nobody else uses the connection."""
        self._users -= 1
        if self._users == 0 and self._client is not None:
            client, self._client = self._client, None
            await client.disconnect()
