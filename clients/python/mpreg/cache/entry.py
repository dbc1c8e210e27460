"""What the cache answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional, Tuple

from .key import CacheKey


@dataclass(frozen=True)
class CacheEntry:
    """A stored value with what the server knows about it. Times are seconds since 1970.

    ``durability`` is ``"volatile"``, ``"eventual"`` (handed to the operating system) or ``"strong"``
    (synced); ``stale`` says that its time to live is over; ``cache_level`` is the tier that answered.
    """

    key: CacheKey
    value: Any
    creation_time: float = 0.0
    access_count: int = 0
    last_access_time: float = 0.0
    computation_cost_ms: float = 0.0
    size_bytes: int = 0
    dependencies: Tuple[str, ...] = ()
    ttl_seconds: Optional[float] = None
    durability: str = ""
    cache_level: Optional[str] = None
    stale: bool = False

    @staticmethod
    def from_reply(reply: Mapping[str, Any]) -> "CacheEntry":
        """Reads the ``entry`` of a ``cache-response``."""
        entry = reply["entry"]
        return CacheEntry(
            key=CacheKey.from_dict(entry["key"]),
            value=entry["value"],
            creation_time=entry["creation_time"],
            access_count=entry["access_count"],
            last_access_time=entry["last_access_time"],
            computation_cost_ms=entry.get("computation_cost_ms", 0.0),
            size_bytes=entry.get("size_bytes", 0),
            dependencies=tuple(entry.get("dependencies") or ()),
            ttl_seconds=entry.get("ttl_seconds"),
            durability=reply.get("durability", ""),
            cache_level=reply.get("cache_level"),
            stale=bool((reply.get("lease") or {}).get("stale", False)),
        )


@dataclass(frozen=True)
class AtomicResult:
    """What an atomic operation did. ``applied`` is false when its condition did not hold.

    ``current_value`` is what is stored afterwards. Values may be left out (``None``) where they would not
    fit a message.
    """

    applied: bool
    old_value: Any
    new_value: Any
    current_value: Any
    durability: str
    error_message: Optional[str] = None

    @staticmethod
    def from_reply(reply: Mapping[str, Any]) -> "AtomicResult":
        """Reads the ``atomic_result`` of a ``cache-response``."""
        result = reply.get("atomic_result") or {}
        entry = reply.get("entry") or {}
        return AtomicResult(
            applied=reply.get("status") == "hit",
            old_value=result.get("old_value"),
            new_value=result.get("new_value"),
            current_value=result.get("current_value", entry.get("value")),
            durability=reply.get("durability", ""),
            error_message=result.get("error_message"),
        )
