"""Atomic operations: each is one step for everybody, whoever else writes the key."""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, Mapping, Optional, Union

from .entry import AtomicResult
from .key import KeyLike, key_of
from .options import CacheOptions
from .requests import GOOD, Requests

Number = Union[int, float]
Conditions = Mapping[str, Any]

WITH_CONFLICT: FrozenSet[str] = GOOD | {"conflict"}


def atomic_operation(operation_type: str, **members: Any) -> Dict[str, Any]:
    """The ``atomic_operation`` object, without what was left out."""
    given = {name: value for name, value in members.items() if value is not None}
    return {"operation_type": operation_type, **given}


class Atomics:
    """The methods; :class:`~mpreg.cache.CacheClient` has them all.

    Values are compared as JSON, deeply. ``conditions`` are tests such as ``{"if_exists": True}`` or
    ``{"value.stock": {"$gte": 5}}`` that must all hold. Each raises :class:`~mpreg.errors.CacheError`, for
    instance with code ``CACHE_WRONG_TYPE``, otherwise what every request may raise.
    """

    _requests: Requests

    async def atomic(
        self,
        key: KeyLike,
        operation: Mapping[str, Any],
        *,
        level: Optional[str] = None,
        options: Optional[CacheOptions] = None,
    ) -> AtomicResult:
        """Runs an ``atomic_operation`` as the protocol has it; a conflict is a result that is not ``applied``."""
        reply = await self._requests.ask(
            "atomic",
            key=key_of(key).to_dict(),
            atomic_operation=dict(operation),
            level=level,
            options=options,
            good=WITH_CONFLICT,
        )
        return AtomicResult.from_reply(reply)

    async def test_and_set(
        self,
        key: KeyLike,
        expected: Any,
        new: Any,
        *,
        ttl_seconds: Optional[float] = None,
        conditions: Optional[Conditions] = None,
        level: Optional[str] = None,
    ) -> AtomicResult:
        """Stores ``new`` if ``expected`` is there; ``None`` means: if nothing is there."""
        operation = atomic_operation("test_and_set", new_value=new, ttl_seconds=ttl_seconds, conditions=conditions)
        return await self.atomic(key, {**operation, "expected_value": expected}, level=level)

    async def compare_and_swap(
        self,
        key: KeyLike,
        expected: Any,
        new: Any,
        *,
        ttl_seconds: Optional[float] = None,
        conditions: Optional[Conditions] = None,
        level: Optional[str] = None,
    ) -> AtomicResult:
        """As :meth:`test_and_set`."""
        operation = atomic_operation("compare_and_swap", new_value=new, ttl_seconds=ttl_seconds, conditions=conditions)
        return await self.atomic(key, {**operation, "expected_value": expected}, level=level)

    async def increment(
        self,
        key: KeyLike,
        by: Number = 1,
        *,
        initial: Optional[Number] = None,
        create_if_missing: Optional[bool] = None,
        ttl_seconds: Optional[float] = None,
        conditions: Optional[Conditions] = None,
        level: Optional[str] = None,
    ) -> AtomicResult:
        """Adds ``by`` to a number; a missing one is ``initial``, 0 by default. Integers stay integers."""
        operation = atomic_operation(
            "increment",
            increment_by=by,
            initial_value=initial,
            create_if_missing=create_if_missing,
            ttl_seconds=ttl_seconds,
            conditions=conditions,
        )
        return await self.atomic(key, operation, level=level)

    async def decrement(
        self,
        key: KeyLike,
        by: Number = 1,
        *,
        initial: Optional[Number] = None,
        create_if_missing: Optional[bool] = None,
        ttl_seconds: Optional[float] = None,
        conditions: Optional[Conditions] = None,
        level: Optional[str] = None,
    ) -> AtomicResult:
        """Takes ``by`` from a number, as :meth:`increment` adds it."""
        operation = atomic_operation(
            "decrement",
            increment_by=by,
            initial_value=initial,
            create_if_missing=create_if_missing,
            ttl_seconds=ttl_seconds,
            conditions=conditions,
        )
        return await self.atomic(key, operation, level=level)

    async def append(
        self, key: KeyLike, value: Any, *, create_if_missing: Optional[bool] = None, level: Optional[str] = None
    ) -> AtomicResult:
        """Adds to the end: text to text, a list's elements or one value to a list."""
        operation = atomic_operation("append", new_value=value, create_if_missing=create_if_missing)
        return await self.atomic(key, operation, level=level)

    async def prepend(
        self, key: KeyLike, value: Any, *, create_if_missing: Optional[bool] = None, level: Optional[str] = None
    ) -> AtomicResult:
        """Adds to the front, as :meth:`append` to the end."""
        operation = atomic_operation("prepend", new_value=value, create_if_missing=create_if_missing)
        return await self.atomic(key, operation, level=level)

    async def extend_ttl(self, key: KeyLike, seconds: float, *, level: Optional[str] = None) -> bool:
        """Makes an entry live ``seconds`` longer; false when there is none."""
        result = await self.atomic(key, atomic_operation("extend_ttl", ttl_seconds=seconds), level=level)
        return result.applied
