"""Values: get, put, delete, invalidate, query."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence

from ..client.client_api import MPREGClientAPI
from . import structures
from .atomics import Atomics
from .batch import Batch
from .entry import CacheEntry
from .key import KeyLike, key_of
from .leases import Leases
from .namespace import Namespace
from .options import CacheMetadata, CacheOptions
from .requests import Requests


class CacheClient(Atomics, Leases):
    """The cache of a server, over the connection of ``api``. Any number of tasks may share it.

    ``level`` is the consistency level of requests that name none: ``"eventual"`` (acknowledged once the
    operating system has it) or ``"strong"`` (once it is synced); the server has a default. With ``retries``
    requests survive a lost connection: they are sent again within their time limit, and the server carries
    out a repeated write once.

    Methods raise :class:`~mpreg.errors.CacheError` when the server refuses, otherwise what every request may
    raise: see :mod:`mpreg.errors`.
    """

    def __init__(self, api: MPREGClientAPI, *, level: Optional[str] = None, retries: bool = False) -> None:
        self._requests = Requests(api, level, retries)

    async def get(self, key: KeyLike, default: Any = None, *, level: Optional[str] = None) -> Any:
        """The value, or ``default`` when there is none. A ``strong`` read answers only from what is synced."""
        entry = await self.entry(key, level=level)
        return default if entry is None else entry.value

    async def entry(
        self, key: KeyLike, *, level: Optional[str] = None, options: Optional[CacheOptions] = None
    ) -> Optional[CacheEntry]:
        """The value with what the server knows about it, or ``None``."""
        reply = await self._requests.ask("get", key=key_of(key).to_dict(), level=level, options=options)
        return CacheEntry.from_reply(reply) if "entry" in reply else None

    async def put(
        self,
        key: KeyLike,
        value: Any,
        *,
        ttl_seconds: Optional[float] = None,
        metadata: Optional[CacheMetadata] = None,
        level: Optional[str] = None,
        options: Optional[CacheOptions] = None,
        constraints: Sequence[Mapping[str, Any]] = (),
        ttl_config: Optional[Mapping[str, Any]] = None,
    ) -> CacheEntry:
        """Stores ``value`` (any JSON but null) in place of value and metadata that were there.

        ``ttl_seconds`` is a short form of the metadata's. Raises :class:`~mpreg.errors.CacheError` also when a
        constraint does not hold; nothing is stored then.
        """
        reply = await self._requests.ask(
            "put",
            level=level,
            options=options,
            **put_members(key, value, ttl_seconds, metadata, constraints, ttl_config),
        )
        return CacheEntry.from_reply(reply)

    async def put_negative(self, key: KeyLike, ttl_seconds: float, *, level: Optional[str] = None) -> None:
        """Remembers for ``ttl_seconds`` that there is no value: a :meth:`get` misses without a look-up."""
        metadata = {"negative": True, "ttl_seconds": ttl_seconds}
        await self._requests.ask("put", key=key_of(key).to_dict(), metadata=metadata, level=level)

    async def delete(
        self,
        key: KeyLike,
        *,
        cascade: bool = False,
        level: Optional[str] = None,
        options: Optional[CacheOptions] = None,
    ) -> bool:
        """Removes an entry; whether there was one. ``cascade`` removes what depends on it, too."""
        more: Dict[str, Any] = {"cascade_dependencies": True} if cascade else {}
        reply = await self._requests.ask(
            "delete", key=key_of(key).to_dict(), level=level, options=options, more_options=more
        )
        return bool(reply["status"] == "hit")

    async def invalidate(
        self,
        pattern: Optional[str] = None,
        *,
        tags: Sequence[str] = (),
        cascade: bool = False,
        level: Optional[str] = None,
        reason: Optional[str] = None,
    ) -> int:
        """Removes all entries that match a glob, or carry one of the tags; how many.

        The pattern is tried against ``namespace:identifier:version``, ``namespace:identifier``,
        ``namespace.identifier`` and ``namespace``.
        """
        more: Dict[str, Any] = {"cascade_dependencies": True} if cascade else {}
        if reason is not None:
            more["reason"] = reason
        what: Dict[str, Any] = {"tags": list(tags)} if tags else {"pattern": pattern}
        reply = await self._requests.ask("invalidate", level=level, more_options=more, **what)
        return int(reply["namespace_result"]["entries_affected"])

    async def query(self, namespace: str, pattern: str = "*") -> List[str]:
        """Keys of a namespace whose identifier matches, as ``namespace:identifier:version``."""
        key = {"namespace": namespace, "identifier": ""}
        reply = await self._requests.ask("query", key=key, pattern=pattern)
        return list(reply["entry"]["value"])

    async def stats(self) -> Dict[str, Any]:
        """The server's statistics, as it answers them."""
        reply = await self._requests.ask("stats")
        return dict(reply["entry"]["value"])

    def batch(self, *, level: Optional[str] = None) -> Batch:
        """Several operations that happen all or not at all."""
        return Batch(self._requests, level)

    def namespace(self, name: str) -> Namespace:
        """Operations on all entries of a namespace."""
        return Namespace(self._requests, name)

    def set(self, key: KeyLike) -> structures.Set:
        """The set at ``key``."""
        return structures.Set(self._requests, key)

    def list(self, key: KeyLike) -> structures.List:
        """The list at ``key``."""
        return structures.List(self._requests, key)

    def map(self, key: KeyLike) -> structures.Map:
        """The map at ``key``."""
        return structures.Map(self._requests, key)

    def sorted_set(self, key: KeyLike) -> structures.SortedSet:
        """The sorted set at ``key``."""
        return structures.SortedSet(self._requests, key)

    def counter(self, key: KeyLike) -> structures.Counter:
        """The counter at ``key``."""
        return structures.Counter(self._requests, key)

    def queue(self, key: KeyLike) -> structures.Queue:
        """The queue at ``key``."""
        return structures.Queue(self._requests, key)

    def stack(self, key: KeyLike) -> structures.Stack:
        """The stack at ``key``."""
        return structures.Stack(self._requests, key)


def put_members(
    key: KeyLike,
    value: Any,
    ttl_seconds: Optional[float],
    metadata: Optional[CacheMetadata],
    constraints: Sequence[Mapping[str, Any]] = (),
    ttl_config: Optional[Mapping[str, Any]] = None,
) -> Dict[str, Any]:
    """The members of a put."""
    members: Dict[str, Any] = {"key": key_of(key).to_dict(), "value": value}
    whole = metadata.to_dict() if metadata else {}
    if ttl_seconds is not None:
        whole["ttl_seconds"] = ttl_seconds
    if whole:
        members["metadata"] = whole
    if constraints:
        members["constraints"] = [dict(constraint) for constraint in constraints]
    if ttl_config is not None:
        members["ttl_config"] = dict(ttl_config)
    return members
