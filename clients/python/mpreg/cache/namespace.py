"""Operations on all entries of a namespace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, AsyncIterator, Dict, Mapping, Optional, Union

from .key import CacheKey
from .requests import Requests

KEYS_AT_ONCE = 1000


@dataclass(frozen=True)
class Cleared:
    """How many entries were removed (or, by a dry run, would be), and whether there are more."""

    count: int
    has_more: bool


@dataclass(frozen=True)
class Backup:
    """Part of a namespace, for :meth:`Namespace.restore`. ``next_offset`` is where the next part begins."""

    data: Union[str, Mapping[str, Any]]
    count: int
    checksum: str
    next_offset: Optional[int]


@dataclass(frozen=True)
class Restored:
    """How many entries were written, and how many left as they were."""

    restored: int
    skipped: int


class Namespace:
    """A namespace, without the ones below it. Patterns are globs (``*``, ``?``) on the identifier.

    ``conditions`` are tests such as ``{"access_count": {"$lt": 2}}`` on ``access_count``, ``ttl_remaining``,
    ``age_seconds``, ``size_bytes``, ``value`` or ``value.<path>``.
    """

    def __init__(self, requests: Requests, name: str) -> None:
        self._requests = requests
        self.name = name

    async def run(self, operation_type: str, *, level: Optional[str] = None, **members: Any) -> Dict[str, Any]:
        """Runs an operation with members as the protocol has them; its ``namespace_result``."""
        given = {name: value for name, value in members.items() if value is not None}
        operation = {"operation_type": operation_type, "namespace": self.name, **given}
        reply = await self._requests.ask("namespace", namespace_operation=operation, level=level)
        return dict(reply["namespace_result"])

    async def clear(
        self,
        pattern: str = "*",
        *,
        conditions: Optional[Mapping[str, Any]] = None,
        max_entries: Optional[int] = None,
        dry_run: bool = False,
        level: Optional[str] = None,
    ) -> Cleared:
        """Removes entries, the oldest first, at most ``max_entries``."""
        result = await self.run(
            "clear", pattern=pattern, conditions=conditions, max_entries=max_entries, dry_run=dry_run, level=level
        )
        return Cleared(int(result["count"]), bool(result["has_more"]))

    async def statistics(self, *, breakdown: bool = False) -> Dict[str, Any]:
        """Counts and sizes, as the server answers them."""
        return await self.run("statistics", include_detailed_breakdown=breakdown)

    async def count(self, pattern: str = "*") -> int:
        """How many entries there are."""
        return int((await self.run("count", pattern=pattern))["count"])

    async def keys(self, pattern: str = "*") -> AsyncIterator[CacheKey]:
        """All keys, by identifier and version. Asks for a thousand at once.

        Keys that come or go meanwhile may be missed or shown twice.
        """
        offset: Optional[int] = 0
        while offset is not None:
            page = await self.run("list_keys", pattern=pattern, limit=KEYS_AT_ONCE, offset=offset)
            for key in page["keys"]:
                yield CacheKey.from_dict(key)
            offset = page.get("next_offset") if page.get("has_more") else None

    async def backup(
        self,
        pattern: str = "*",
        *,
        limit: Optional[int] = None,
        offset: Optional[int] = None,
        compression: bool = False,
    ) -> Backup:
        """A consistent copy of the entries, or of ``limit`` of them from ``offset`` on.

        Raises :class:`~mpreg.errors.CacheError` when it would not fit a message; then take parts.
        """
        result = await self.run("backup", pattern=pattern, limit=limit, offset=offset, compression=compression)
        following = result.get("next_offset") if result.get("has_more") else None
        return Backup(result["data"], int(result["count"]), str(result.get("checksum", "")), following)

    async def restore(
        self, backup: Union[Backup, str, Mapping[str, Any]], merge_strategy: str = "overwrite"
    ) -> Restored:
        """Writes entries of a backup; ``merge_strategy`` is ``overwrite``, ``skip_existing`` or ``newest``."""
        data = backup.data if isinstance(backup, Backup) else backup
        result = await self.run("restore", data=data, merge_strategy=merge_strategy)
        return Restored(int(result["restored_count"]), int(result["skipped_count"]))
