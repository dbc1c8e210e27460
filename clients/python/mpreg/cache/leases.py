"""Leases: of many readers that miss, one computes."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from typing import Any, Awaitable, Callable, Dict, Mapping, Optional, Union

from ..errors import CacheConflict, MPREGError
from ..link.message import Message
from .key import CacheKey, KeyLike, key_of
from .options import CacheMetadata
from .requests import Requests

LEASE_MS = 10_000
POLL_SECONDS = 0.05
POLL_SECONDS_MAX = 0.5

Compute = Callable[[], Union[Any, Awaitable[Any]]]


class Leases:
    """The methods; :class:`~mpreg.cache.CacheClient` has them."""

    _requests: Requests

    async def get_or_compute(
        self,
        key: KeyLike,
        compute: Compute,
        *,
        ttl_seconds: Optional[float] = None,
        metadata: Optional[CacheMetadata] = None,
        lease_ms: int = LEASE_MS,
        level: Optional[str] = None,
    ) -> Any:
        """The value at ``key``; where there is none, ``compute()`` makes it, once for all who ask.

        Who gets the lease computes and stores; others wait for that, or get the old value within the stale
        window of its metadata. When ``compute`` fails, the old value is used within its ``stale_if_error``
        window, otherwise the failure is raised and the lease given back, so that another reader tries.
        A computation longer than ``lease_ms`` may be done twice; only the newest result is stored.

        A computed ``None`` is returned and not stored.
        """
        whole = metadata.to_dict() if metadata else {}
        if ttl_seconds is not None:
            whole["ttl_seconds"] = ttl_seconds
        pause = POLL_SECONDS
        while True:
            reply = await self._lease(key_of(key), {"ttl_ms": lease_ms})
            lease: Mapping[str, Any] = reply.get("lease") or {}
            if lease.get("state") == "granted":
                return await self._fill(key_of(key), int(lease["token"]), compute, whole, level)
            if "entry" in reply:
                return reply["entry"]["value"]
            if lease.get("state") != "filling":
                # Known to be absent.
                return None
            await asyncio.sleep(pause)
            pause = min(pause * 2, POLL_SECONDS_MAX)

    async def _lease(self, key: CacheKey, lease: Dict[str, Any]) -> Message:
        return await self._requests.ask("get", key=key.to_dict(), more_options={"lease": lease})

    async def _fill(
        self, key: CacheKey, token: int, compute: Compute, metadata: Dict[str, Any], level: Optional[str]
    ) -> Any:
        try:
            value = compute()
            if inspect.isawaitable(value):
                value = await value
        except BaseException as error:
            reply = await self._give_back(key, token)
            if isinstance(error, Exception) and "entry" in reply:
                return reply["entry"]["value"]
            raise
        if value is None:
            await self._give_back(key, token)
            return None
        members: Dict[str, Any] = {"metadata": metadata} if metadata else {}
        # The key was written meanwhile, or a newer lease was granted: theirs is stored, ours is still an answer.
        with contextlib.suppress(CacheConflict):
            await self._requests.ask(
                "put", key=key.to_dict(), value=value, level=level, more_options={"lease": {"token": token}}, **members
            )
        return value

    async def _give_back(self, key: CacheKey, token: int) -> Message:
        """Ends the lease unused; the answer has the old value if that may be read."""
        try:
            return await self._lease(key, {"token": token, "failed": True})
        except MPREGError:
            # It ends by itself, and how the computation failed matters more.
            return {}
