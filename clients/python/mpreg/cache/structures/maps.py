"""Maps and counters."""

from __future__ import annotations

import typing
from typing import Any, Dict, Mapping, Optional, Tuple, Union

from .base import Sized, Structure

Number = Union[int, float]


class Map(Sized):
    """Values by field. A dotted field is a path into nested maps, unless there is a field of that very name."""

    kind = "map"

    async def set(self, updates: Mapping[str, Any], *, level: Optional[str] = None) -> int:
        """Writes fields; how many."""
        return int(await self._value("set_field", field_updates=dict(updates), level=level))

    async def get(self, *fields: str) -> Dict[str, Any]:
        """The fields there are among those asked for."""
        return await self._value("get_fields", fields=list(fields)) or {}

    async def remove(self, *fields: str, level: Optional[str] = None) -> int:
        """Removes fields; how many there were."""
        return int(await self._value("remove_fields", fields=list(fields), level=level) or 0)

    async def increment(self, field: str, by: Number = 1, *, level: Optional[str] = None) -> Number:
        """Adds to the number in a field, 0 where there is none; the new number."""
        number: Number = await self._value("increment_field", fields=[field], values=[by], level=level)
        return number

    async def contains(self, field: str) -> bool:
        """Whether there is such a field."""
        return bool(await self._value("contains", fields=[field]))

    async def keys(self) -> typing.List[str]:
        """All fields."""
        return await self._value("keys") or []

    async def values(self) -> typing.List[Any]:
        """All values."""
        return await self._value("values") or []

    async def items(self) -> typing.List[Tuple[str, Any]]:
        """All fields with their values."""
        return [(field, value) for field, value in await self._value("items") or ()]


class Counter(Structure):
    """A number."""

    kind = "counter"

    async def increment(self, by: Number = 1, *, level: Optional[str] = None) -> Number:
        """Adds ``by``; the new number."""
        number: Number = await self._value("increment", values=[by], level=level)
        return number

    async def decrement(self, by: Number = 1, *, level: Optional[str] = None) -> Number:
        """Takes ``by`` away; the new number."""
        number: Number = await self._value("decrement", values=[by], level=level)
        return number

    async def set(self, number: Number, *, level: Optional[str] = None) -> None:
        """Sets it."""
        await self.run("set", values=[number], level=level)

    async def get(self) -> Optional[Number]:
        """The number, or ``None`` without a counter."""
        number: Optional[Number] = await self._value("get")
        return number

    async def reset(self, *, level: Optional[str] = None) -> None:
        """Sets it to 0."""
        await self.run("reset", level=level)

    async def clear(self, *, level: Optional[str] = None) -> None:
        """As :meth:`reset`."""
        await self.reset(level=level)
