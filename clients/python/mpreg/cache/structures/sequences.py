"""Lists, queues and stacks."""

from __future__ import annotations

import typing
from typing import Any, Dict, Optional

from .base import Sized


class List(Sized):
    """Values by place."""

    kind = "list"

    async def append(self, *values: Any, level: Optional[str] = None) -> int:
        """Adds at the end; the place of the last."""
        return int(await self._value("append", values=list(values), level=level))

    async def prepend(self, *values: Any, level: Optional[str] = None) -> None:
        """Adds at the front, in the order given."""
        await self.run("prepend", values=list(values), level=level)

    async def insert(self, index: int, *values: Any, level: Optional[str] = None) -> None:
        """Adds before the value at ``index``."""
        await self.run("insert", index=index, values=list(values), level=level)

    async def get(self, index: int) -> Any:
        """The value at a place; negative ones count from the end.

        Raises :class:`~mpreg.errors.CacheError` for a place that there is not; ``None`` without a list.
        """
        return await self._value("get", index=index)

    async def slice(self, start: int = 0, end: Optional[int] = None) -> typing.List[Any]:
        """The values from ``start`` to ``end``, which is excluded; negative places count from the end."""
        spec: Dict[str, int] = {"start": start}
        if end is not None:
            spec["end"] = end
        return await self._value("get_range", range_spec=spec) or []

    async def pop_front(self, *, level: Optional[str] = None) -> Any:
        """Takes the first value away and returns it; ``None`` when there is none."""
        return await self._value("pop_front", level=level)

    async def pop_back(self, *, level: Optional[str] = None) -> Any:
        """Takes the last value away and returns it; ``None`` when there is none."""
        return await self._value("pop_back", level=level)

    async def remove(self, *values: Any, level: Optional[str] = None) -> bool:
        """Removes the first occurrence of each; whether there was any."""
        return bool(await self._value("remove", values=list(values), level=level))


class Queue(Sized):
    """First in, first out."""

    kind = "queue"

    async def enqueue(self, *values: Any, level: Optional[str] = None) -> None:
        """Adds at the end."""
        await self.run("enqueue", values=list(values), level=level)

    async def dequeue(self, *, level: Optional[str] = None) -> Any:
        """Takes the first value away and returns it; ``None`` when there is none."""
        return await self._value("dequeue", level=level)

    async def peek(self) -> Any:
        """The first value; ``None`` when there is none."""
        return await self._value("peek")


class Stack(Sized):
    """Last in, first out."""

    kind = "stack"

    async def push(self, *values: Any, level: Optional[str] = None) -> None:
        """Adds on top, the last of ``values`` topmost."""
        await self.run("push", values=list(values), level=level)

    async def pop(self, *, level: Optional[str] = None) -> Any:
        """Takes the top value away and returns it; ``None`` when there is none."""
        return await self._value("pop", level=level)

    async def peek(self) -> Any:
        """The top value; ``None`` when there is none."""
        return await self._value("peek")
