"""What one program does across systems: events that belong together, and how they went.

All of it stays in the program; nothing goes over the wire.
"""

from __future__ import annotations

import enum
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Deque, Dict, List, Mapping, Optional

from ...errors import ClientClosed
from ...link.message import new_id

EVENTS_KEPT = 10_000


class EventType(enum.Enum):
    """What happened."""

    REQUEST_START = "request_start"
    REQUEST_COMPLETE = "request_complete"
    MESSAGE_PUBLISHED = "message_published"
    MESSAGE_DELIVERED = "message_delivered"
    CACHE_HIT = "cache_hit"
    CACHE_MISS = "cache_miss"
    QUEUE_ENQUEUE = "queue_enqueue"
    QUEUE_DEQUEUE = "queue_dequeue"
    CROSS_SYSTEM_CORRELATION = "cross_system_correlation"
    ERROR = "error"


class SystemType(enum.Enum):
    """Where it happened; the value begins the tracking ids that are made for it."""

    RPC = "rpc"
    PUBSUB = "ps"
    QUEUE = "q"
    CACHE = "cache"
    FEDERATION = "fed"
    TRANSPORT = "tx"


@dataclass(frozen=True)
class CrossSystemEvent:
    """One event. ``timestamp`` is in seconds since 1970."""

    tracking_id: str
    correlation_id: str
    event_type: EventType
    source_system: SystemType
    target_system: Optional[SystemType] = None
    latency_ms: float = 0.0
    success: bool = True
    metadata: Mapping[str, Any] = field(default_factory=dict)
    error_message: Optional[str] = None
    timestamp: float = 0.0


@dataclass(frozen=True)
class SystemSummary:
    """The events of one system that are still known."""

    events: int
    failures: int
    average_latency_ms: float


class UnifiedSystemMonitor:
    """Keeps the latest events. Use between :meth:`start` and :meth:`stop`, or as an ``async with`` block."""

    def __init__(self, events_kept: int = EVENTS_KEPT) -> None:
        self._events: Deque[CrossSystemEvent] = deque(maxlen=events_kept)
        self._running = False

    async def start(self) -> None:
        """Begins to take events."""
        self._running = True

    async def stop(self) -> None:
        """Takes no more events; those taken can still be read."""
        self._running = False

    async def __aenter__(self) -> "UnifiedSystemMonitor":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def record_cross_system_event(
        self,
        correlation_id: str,
        event_type: EventType,
        source_system: SystemType,
        target_system: Optional[SystemType] = None,
        latency_ms: float = 0.0,
        success: bool = True,
        metadata: Optional[Mapping[str, Any]] = None,
        error_message: Optional[str] = None,
        tracking_id: Optional[str] = None,
    ) -> str:
        """Notes an event; its tracking id, a new one unless it was given.

        Raises :class:`~mpreg.errors.ClientClosed` when the monitor does not run.
        """
        if not self._running:
            raise ClientClosed("start() the monitor first")
        tracking_id = tracking_id or f"{source_system.value}-{new_id()}"
        self._events.append(
            CrossSystemEvent(
                tracking_id,
                correlation_id,
                event_type,
                source_system,
                target_system,
                latency_ms,
                success,
                dict(metadata or {}),
                error_message,
                time.time(),
            )
        )
        return tracking_id

    def events(self, correlation_id: Optional[str] = None) -> List[CrossSystemEvent]:
        """The events of a correlation, or all, oldest first."""
        return [event for event in self._events if correlation_id in (None, event.correlation_id)]

    def summary(self) -> Dict[SystemType, SystemSummary]:
        """How each system does."""
        by_system: Dict[SystemType, List[CrossSystemEvent]] = {}
        for event in self._events:
            by_system.setdefault(event.source_system, []).append(event)
        return {
            system: SystemSummary(
                events=len(events),
                failures=sum(not event.success for event in events),
                average_latency_ms=sum(event.latency_ms for event in events) / len(events),
            )
            for system, events in by_system.items()
        }


def create_unified_system_monitor(events_kept: int = EVENTS_KEPT) -> UnifiedSystemMonitor:
    """A monitor that is not started yet."""
    return UnifiedSystemMonitor(events_kept)
