"""The whole cache protocol of a server, typed.

==================  ====================================================================================
``client``          get, put, delete, invalidate, query, statistics
``atomics``         test-and-set, numbers, append
``structures``      sets, lists, maps, sorted sets, counters, queues, stacks
``namespace``       clear, list, count, backup and restore
``batch``           several operations, one atom
``leases``          of many readers that miss, one computes
==================  ====================================================================================
"""

from .batch import Batch
from .client import CacheClient
from .entry import AtomicResult, CacheEntry
from .key import CacheKey, KeyLike
from .namespace import Backup, Cleared, Namespace, Restored
from .options import CacheLevel, CacheMetadata, CacheOptions

__all__ = [
    "AtomicResult",
    "Backup",
    "Batch",
    "CacheClient",
    "CacheEntry",
    "CacheKey",
    "CacheLevel",
    "CacheMetadata",
    "CacheOptions",
    "Cleared",
    "KeyLike",
    "Namespace",
    "Restored",
]
