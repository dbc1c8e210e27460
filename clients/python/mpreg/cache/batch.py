"""Several operations, one atom."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional

from ..errors import CacheError
from .atomics import Number, atomic_operation
from .key import KeyLike, key_of
from .options import CacheMetadata
from .requests import Requests

OPERATIONS_MAX = 1024


class Batch:
    """Collects operations; :meth:`run` carries them out in their order, all or none.

    ::

        batch = cache.batch(level="strong")
        batch.put(("orders", "17"), {"sku": "x"}).increment(("stock", "x"), -1)
        results = await batch.run()
    """

    def __init__(self, requests: Requests, level: Optional[str]) -> None:
        self._requests = requests
        self._level = level
        self._operations: List[Dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self._operations)

    def add(self, operation: str, key: KeyLike, **members: Any) -> "Batch":
        """Adds any operation with members as the protocol has them."""
        if len(self._operations) == OPERATIONS_MAX:
            raise ValueError(f"a batch has at most {OPERATIONS_MAX} operations")
        self._operations.append({"operation": operation, "key": key_of(key).to_dict(), **members})
        return self

    def get(self, key: KeyLike) -> "Batch":
        """Reads; the result has an ``entry`` unless it is a miss."""
        return self.add("get", key)

    def put(
        self,
        key: KeyLike,
        value: Any,
        *,
        ttl_seconds: Optional[float] = None,
        metadata: Optional[CacheMetadata] = None,
    ) -> "Batch":
        """Stores a value."""
        whole = metadata.to_dict() if metadata else {}
        if ttl_seconds is not None:
            whole["ttl_seconds"] = ttl_seconds
        return self.add("put", key, value=value, **({"metadata": whole} if whole else {}))

    def delete(self, key: KeyLike) -> "Batch":
        """Removes an entry. None there is no failure."""
        return self.add("delete", key)

    def increment(self, key: KeyLike, by: Number = 1, *, conditions: Optional[Mapping[str, Any]] = None) -> "Batch":
        """Adds to a number."""
        return self.atomic(key, atomic_operation("increment", increment_by=by, conditions=conditions))

    def atomic(self, key: KeyLike, operation: Mapping[str, Any]) -> "Batch":
        """Adds an ``atomic_operation``."""
        return self.add("atomic", key, atomic_operation=dict(operation))

    def structure(self, key: KeyLike, structure_type: str, operation: str, **members: Any) -> "Batch":
        """Adds a ``structure_operation``, for instance ``structure(key, "set", "add", values=[1])``."""
        whole = {"structure_type": structure_type, "operation": operation, **members}
        return self.add("structure", key, structure_operation=whole)

    async def run(self) -> List[Dict[str, Any]]:
        """Carries them out; one result an operation, as the server answers it.

        Raises :class:`~mpreg.errors.CacheConflict` when a condition did not hold and
        :class:`~mpreg.errors.CacheError` when an operation failed: then nothing was done, and ``reply`` says
        which one it was.
        """
        reply = await self._requests.ask("batch", operations=list(self._operations), level=self._level)
        result = reply.get("batch_result") or {}
        if not result.get("success"):
            raise CacheError("the batch was not carried out", "", reply)
        return list(result["results"])
