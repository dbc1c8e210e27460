"""What may be said about a cache request."""

from __future__ import annotations

import dataclasses
import enum
from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, Mapping, Optional, Sequence, Union

from .key import CacheKey


class CacheLevel(enum.Enum):
    """A tier: memory, this node's disk, other nodes of the cluster, other clusters."""

    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    L4 = "L4"


@dataclass(frozen=True)
class CacheOptions:
    """Options of one request; what is left at its default is not sent.

    ``consistency_level`` is ``"weak"``, ``"eventual"`` or ``"strong"``. A write without ``L2`` among
    ``cache_levels`` is in memory only. ``more`` has further members of the protocol's ``options``.
    """

    cache_levels: FrozenSet[CacheLevel] = frozenset()
    consistency_level: Optional[str] = None
    timeout_ms: Optional[int] = None
    include_metadata: bool = True
    replication_factor: Optional[int] = None
    prefer_local: bool = True
    max_staleness_seconds: Optional[float] = None
    cascade_dependencies: bool = False
    notify_on_change: bool = False
    notification_topic: Optional[str] = None
    notification_payload: Optional[Mapping[str, Any]] = None
    notification_condition: Optional[Mapping[str, Any]] = None
    reason: Optional[str] = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> Dict[str, Any]:
        """The options as they are sent."""
        options = _changed(self, "cache_levels", "more")
        if self.cache_levels:
            options["cache_levels"] = sorted(level.value for level in self.cache_levels)
        return {**options, **self.more}


@dataclass(frozen=True)
class CacheMetadata:
    """What is stored beside a value. Times in seconds, costs in ms.

    The stale windows say how long after its expiry a value may still be read: while somebody computes it
    anew, and because nobody could.
    """

    ttl_seconds: Optional[float] = None
    computation_cost_ms: float = 0.0
    dependencies: Sequence[Union[CacheKey, str]] = ()
    replication_policy: str = "geographic"
    access_patterns: Mapping[str, Any] = field(default_factory=dict)
    geographic_hints: Sequence[str] = ()
    quality_score: float = 1.0
    created_by: str = ""
    size_estimate_bytes: int = 0
    stale_while_revalidate_seconds: float = 0.0
    stale_if_error_seconds: float = 0.0

    def to_dict(self) -> Dict[str, Any]:
        """The metadata as they are sent."""
        metadata = _changed(self, "dependencies", "geographic_hints")
        if self.dependencies:
            metadata["dependencies"] = [str(key) for key in self.dependencies]
        if self.geographic_hints:
            metadata["geographic_hints"] = list(self.geographic_hints)
        return metadata


def _changed(of: Any, *apart: str) -> Dict[str, Any]:
    """The members of a dataclass that differ from their defaults, without those named ``apart``."""
    members = {}
    for member in dataclasses.fields(of):
        value = getattr(of, member.name)
        default = member.default
        if member.default_factory is not dataclasses.MISSING:
            default = member.default_factory()
        if member.name not in apart and value != default:
            members[member.name] = value
    return members
