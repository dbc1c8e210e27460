"""Keys of the cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Mapping, Tuple, Union

VERSION_DEFAULT = "v1.0.0"


@dataclass(frozen=True)
class CacheKey:
    """``namespace`` and ``identifier`` (neither empty) and a ``version``. Tags are labels, not part of it."""

    namespace: str
    identifier: str
    version: str = VERSION_DEFAULT
    tags: Tuple[str, ...] = ()

    def to_dict(self) -> Dict[str, Any]:
        """The key as it is sent."""
        key: Dict[str, Any] = {"namespace": self.namespace, "identifier": self.identifier, "version": self.version}
        if self.tags:
            key["tags"] = list(self.tags)
        return key

    @staticmethod
    def from_dict(key: Mapping[str, Any]) -> "CacheKey":
        """Reads a key as it is sent."""
        return CacheKey(
            str(key["namespace"]),
            str(key["identifier"]),
            str(key.get("version") or VERSION_DEFAULT),
            tuple(key.get("tags") or ()),
        )

    def __str__(self) -> str:
        return f"{self.namespace}:{self.identifier}:{self.version}"


KeyLike = Union[CacheKey, Tuple[str, str], Tuple[str, str, str]]
"""A key, or ``(namespace, identifier)``, or ``(namespace, identifier, version)``."""


def key_of(key: KeyLike) -> CacheKey:
    """The key that is meant."""
    return key if isinstance(key, CacheKey) else CacheKey(*key)
