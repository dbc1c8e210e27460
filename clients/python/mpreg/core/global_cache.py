"""The cache manager of the client guide, on top of a server's cache.

:class:`~mpreg.cache.CacheClient` is the full interface; this one has upstream's names.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Awaitable, Callable, Mapping, Optional

from ..cache import CacheClient, CacheEntry, CacheKey, CacheLevel, CacheMetadata, CacheOptions
from ..errors import CacheError
from ..fabric.cache_federation import FabricCacheProtocol

__all__ = [
    "CacheLevel",
    "CacheMetadata",
    "CacheOperationResult",
    "CacheOptions",
    "GlobalCacheConfiguration",
    "GlobalCacheEntry",
    "GlobalCacheKey",
    "GlobalCacheManager",
]

GlobalCacheEntry = CacheEntry
"""Upstream's name of :class:`~mpreg.cache.CacheEntry`."""

_TIERS = {
    CacheLevel.L2: "enable_l2_persistent",
    CacheLevel.L3: "enable_l3_distributed",
    CacheLevel.L4: "enable_l4_federation",
}


class GlobalCacheKey(CacheKey):
    """A key whose identifier may come from data."""

    @staticmethod
    def from_data(namespace: str, data: Any, version: str = "v1.0.0", tags: Any = ()) -> "GlobalCacheKey":
        """The key of ``data``: its identifier is the first 32 hexadecimal digits of SHA-256 over its canonical
        JSON (compact, members sorted), so equal data have equal keys in every process and language.

        Raises ``TypeError`` or ``ValueError`` for data that are no JSON.
        """
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
        digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
        return GlobalCacheKey(namespace, digest[:32], version, tuple(tags))


@dataclass(frozen=True)
class GlobalCacheConfiguration:
    """Which tiers a manager uses beside memory.

    Without ``enable_l2_persistent`` its entries are in the server's memory only, and gone when that stops.
    """

    enable_l2_persistent: bool = True
    enable_l3_distributed: bool = False
    enable_l4_federation: bool = False
    local_cluster_id: str = ""


@dataclass(frozen=True)
class CacheOperationResult:
    """How an operation ended: ``success`` is false for a miss, and for an error, which is in ``error_message``."""

    success: bool
    cache_level: Optional[CacheLevel] = None
    entry: Optional[CacheEntry] = None
    error_message: Optional[str] = None


class GlobalCacheManager:
    """A cache on the server that ``cache_protocol`` reaches. Connects with the first operation.

    Operations raise only what says that the server could not be asked; see :mod:`mpreg.errors`.
    """

    def __init__(
        self,
        configuration: Optional[GlobalCacheConfiguration] = None,
        cache_protocol: Optional[FabricCacheProtocol] = None,
    ) -> None:
        self.configuration = configuration or GlobalCacheConfiguration()
        self._protocol = cache_protocol or FabricCacheProtocol(self.configuration.local_cluster_id)
        self._cache: Optional[CacheClient] = None

    async def put(
        self,
        key: CacheKey,
        value: Any,
        metadata: Optional[CacheMetadata] = None,
        options: Optional[CacheOptions] = None,
    ) -> CacheOperationResult:
        """Stores a value."""
        known = metadata or CacheMetadata()
        named = dataclasses.replace(known, created_by=known.created_by or self._protocol.node_id)

        async def run(cache: CacheClient) -> CacheOperationResult:
            return _found(await cache.put(key, value, metadata=named, options=self._within(options)))

        return await self._try(run)

    async def get(self, key: CacheKey, options: Optional[CacheOptions] = None) -> CacheOperationResult:
        """Reads a value."""

        async def run(cache: CacheClient) -> CacheOperationResult:
            return _found(await cache.entry(key, options=self._within(options)))

        return await self._try(run)

    async def delete(self, key: CacheKey, options: Optional[CacheOptions] = None) -> CacheOperationResult:
        """Removes an entry; no success when there was none."""

        async def run(cache: CacheClient) -> CacheOperationResult:
            return CacheOperationResult(await cache.delete(key, options=self._within(options)))

        return await self._try(run)

    async def invalidate(self, pattern: str) -> CacheOperationResult:
        """Removes what matches a glob; no success when nothing did."""

        async def run(cache: CacheClient) -> CacheOperationResult:
            return CacheOperationResult(await cache.invalidate(pattern) > 0)

        return await self._try(run)

    async def get_statistics(self) -> Mapping[str, Any]:
        """The server's statistics. Raises :class:`~mpreg.errors.CacheError`."""
        return await (await self._connected()).stats()

    async def shutdown(self) -> None:
        """Gives the connection back. What was stored stays on the server."""
        if self._cache is not None:
            self._cache = None
            await self._protocol.transport.release()

    async def __aenter__(self) -> "GlobalCacheManager":
        await self._connected()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shutdown()

    async def _connected(self) -> CacheClient:
        if self._cache is None:
            self._cache = CacheClient(await self._protocol.transport.acquire())
        return self._cache

    async def _try(self, run: Callable[[CacheClient], Awaitable[CacheOperationResult]]) -> CacheOperationResult:
        cache = await self._connected()
        try:
            return await run(cache)
        except CacheError as error:
            return CacheOperationResult(False, error_message=str(error))

    def _within(self, options: Optional[CacheOptions]) -> CacheOptions:
        """The options, their tiers cut to those that are enabled. Memory is always among these."""
        asked = options or CacheOptions()
        enabled = {level for level, name in _TIERS.items() if getattr(self.configuration, name)} | {CacheLevel.L1}
        levels = (asked.cache_levels or frozenset(CacheLevel)) & enabled
        return dataclasses.replace(asked, cache_levels=frozenset(levels or {CacheLevel.L1}))


def _found(entry: Optional[CacheEntry]) -> CacheOperationResult:
    if entry is None:
        return CacheOperationResult(False)
    level = CacheLevel(entry.cache_level) if entry.cache_level else None
    return CacheOperationResult(True, level, entry)
