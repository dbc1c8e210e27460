"""Data structures of the cache: sets, lists, maps, sorted sets, counters, queues and stacks.

A structure is an ordinary entry: ``cache.get`` reads it whole, ``cache.put`` replaces it. Members are JSON
values. An operation on an entry of another kind raises :class:`~mpreg.errors.CacheError` with code
``CACHE_WRONG_TYPE``. Each operation is one step for everybody, and takes the key's time to live and metadata along.
"""

from .maps import Counter, Map
from .sequences import List, Queue, Stack
from .sets import ScoredMember, Set, SortedSet

__all__ = ["Counter", "List", "Map", "Queue", "ScoredMember", "Set", "SortedSet", "Stack"]
