"""What all structures have in common."""

from __future__ import annotations

from typing import Any, ClassVar, Dict, Optional

from ..key import KeyLike, key_of
from ..requests import Requests


class Structure:
    """A structure at a key. It need not exist: an operation that adds something makes it."""

    kind: ClassVar[str]

    def __init__(self, requests: Requests, key: KeyLike) -> None:
        self._requests = requests
        self.key = key_of(key)

    async def run(self, operation: str, *, level: Optional[str] = None, **members: Any) -> Dict[str, Any]:
        """Runs an operation with members as the protocol has them; its ``structure_result``.

        ``value`` in it is ``None`` on a miss.
        """
        whole = {"structure_type": self.kind, "operation": operation, **members}
        reply = await self._requests.ask("structure", key=self.key.to_dict(), structure_operation=whole, level=level)
        return dict(reply["structure_result"])

    async def _value(self, operation: str, level: Optional[str] = None, **members: Any) -> Any:
        return (await self.run(operation, level=level, **members))["value"]

    async def clear(self, *, level: Optional[str] = None) -> None:
        """Empties it; an empty structure stays."""
        await self.run("clear", level=level)


class Sized(Structure):
    """One with a number of members."""

    async def size(self) -> int:
        """How many members there are."""
        return int(await self._value("size") or 0)
