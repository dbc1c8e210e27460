"""Sets, and sets in the order of a score."""

from __future__ import annotations

import typing
from typing import Any, Dict, Iterable, Mapping, NamedTuple, Optional, Tuple, Union

from ..key import KeyLike, key_of
from .base import Sized

Number = Union[int, float]


class Set(Sized):
    """Members in the order in which they came, each once."""

    kind = "set"

    async def add(self, *members: Any, level: Optional[str] = None) -> int:
        """Adds members; how many were new."""
        return int((await self.run("add", values=list(members), level=level))["added"])

    async def remove(self, *members: Any, level: Optional[str] = None) -> int:
        """Removes members; how many there were."""
        return int((await self.run("remove", values=list(members), level=level)).get("removed", 0))

    async def contains(self, *members: Any) -> bool:
        """Whether all of them are members."""
        return bool(await self._value("contains", values=list(members)))

    async def members(self) -> typing.List[Any]:
        """All members."""
        return await self._value("members") or []

    async def union(self, *others: KeyLike) -> typing.List[Any]:
        """Members of this or another set."""
        return await self._algebra("union", others)

    async def intersection(self, *others: KeyLike) -> typing.List[Any]:
        """Members of this and all other sets."""
        return await self._algebra("intersection", others)

    async def difference(self, *others: KeyLike) -> typing.List[Any]:
        """Members of this set and none of the others."""
        return await self._algebra("difference", others)

    async def _algebra(self, operation: str, others: Iterable[KeyLike]) -> typing.List[Any]:
        keys = [key_of(other).to_dict() for other in others]
        return await self._value(operation, options={"other_sets": keys}) or []


class ScoredMember(NamedTuple):
    """A member of a sorted set."""

    value: Any
    score: Number


class SortedSet(Sized):
    """Members by score, ascending; equal scores by member."""

    kind = "sorted_set"

    async def add(
        self, scores: Union[Mapping[str, Number], Iterable[Tuple[Any, Number]]], *, level: Optional[str] = None
    ) -> int:
        """Adds members or gives them new scores; how many were new. Takes pairs, or a mapping of texts."""
        pairs = scores.items() if isinstance(scores, Mapping) else scores
        scored = [{"value": value, "score": score} for value, score in pairs]
        return int(await self._value("add_scored", scored_values=scored, level=level))

    async def remove(self, *members: Any, level: Optional[str] = None) -> bool:
        """Removes members; whether there was any."""
        return bool(await self._value("remove", values=list(members), level=level))

    async def score(self, member: Any) -> Optional[Number]:
        """The score, or ``None``."""
        score: Optional[Number] = await self._value("get_score", values=[member])
        return score

    async def rank(self, member: Any) -> Optional[int]:
        """The place from below, beginning with 0, or ``None``."""
        rank: Optional[int] = await self._value("rank", values=[member])
        return rank

    async def top(self, limit: int = 10) -> typing.List[ScoredMember]:
        """The highest, highest first."""
        return _scored(await self._value("get_top", limit=limit))

    async def bottom(self, limit: int = 10) -> typing.List[ScoredMember]:
        """The lowest, lowest first."""
        return _scored(await self._value("get_bottom", limit=limit))

    async def pop_min(self, *, level: Optional[str] = None) -> Optional[ScoredMember]:
        """Takes the lowest away and returns it; ``None`` when there is none."""
        member = await self._value("pop_min", level=level)
        return _scored([member])[0] if member else None

    async def pop_max(self, *, level: Optional[str] = None) -> Optional[ScoredMember]:
        """Takes the highest away and returns it; ``None`` when there is none."""
        member = await self._value("pop_max", level=level)
        return _scored([member])[0] if member else None

    async def range_by_score(
        self, lowest: Optional[Number] = None, highest: Optional[Number] = None
    ) -> typing.List[ScoredMember]:
        """Members whose score is from ``lowest`` to ``highest``, both included; without one, to that end."""
        spec: Dict[str, Number] = {}
        if lowest is not None:
            spec["min_score"] = lowest
        if highest is not None:
            spec["max_score"] = highest
        return _scored(await self._value("get_range", range_spec=spec))

    async def range_by_rank(self, start: int = 0, end: Optional[int] = None) -> typing.List[ScoredMember]:
        """Members by place, ``end`` excluded; negative places count from above."""
        spec = {"start": start} if end is None else {"start": start, "end": end}
        return _scored(await self._value("get_range", range_spec=spec))


def _scored(members: Optional[typing.List[Dict[str, Any]]]) -> typing.List[ScoredMember]:
    return [ScoredMember(member["value"], member["score"]) for member in members or ()]
