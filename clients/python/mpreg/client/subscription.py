"""One subscription: what waits for its callback, and how to go on after a lost connection."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections import deque
from typing import Any, Awaitable, Callable, Deque, Dict, Mapping, Optional, Sequence, Union

from ..core.model import Gap, PubSubMessage
from ..link.message import Message, new_id

log = logging.getLogger("mpreg")

QUEUE_MESSAGES_MAX = 10_000
"""Messages that may wait for a callback. Beyond, the subscription is left and taken up again where it stopped."""
COMMIT_SECONDS = 0.2
"""How long a handled message may wait for its commit."""
COMMIT_MESSAGES = 64
"""How many may wait; the server sends a member of a group no more than 256 uncommitted ones."""
RESUME_SLACK_SECONDS = 0.05
"""How far a resumption without an offset reaches back behind the subscription's own beginning."""

Callback = Callable[[PubSubMessage], Union[None, Awaitable[None]]]
GapCallback = Callable[[Gap], None]
Start = Union[str, Mapping[str, Any]]


class Subscription:
    """The client's side of a subscription."""

    def __init__(
        self,
        patterns: Sequence[str],
        callback: Callback,
        *,
        get_backlog: bool,
        backlog_seconds: float,
        start: Optional[Start],
        durable: Optional[str],
        shared: bool,
        auto_commit: bool,
        on_gap: Optional[GapCallback],
    ) -> None:
        self.id = new_id()
        """What the program knows it by."""
        self.wire_id = self.id
        """What the server knows it by: another id with each request, so that what was on its way before is
        told from what comes after."""
        self.patterns = list(patterns)
        self.durable = durable
        self.commits_itself = durable is not None and auto_commit
        self.handled: Optional[str] = None
        """The offset of the last message whose callback has returned."""
        self.committed: Optional[str] = None
        """The offset that the server was told last."""
        self._uncommitted = 0
        self._many_uncommitted: Optional[asyncio.Future[None]] = None
        self.is_recovering = False
        """Somebody is asking for it again."""
        self._is_stopped = False
        self._callback = callback
        self._get_backlog = get_backlog
        self._backlog_seconds = backlog_seconds
        self._start = start
        self._shared = shared
        self._on_gap = on_gap
        self._created_at = time.time()
        self._began_at = time.monotonic()
        self._queue: Deque[Union[PubSubMessage, Gap]] = deque()
        self._queued_offset: Optional[str] = None
        self._is_behind = False
        self._left_out = 0
        self._wake: Optional[asyncio.Future[None]] = None

    def first_request(self, subscriber: str) -> Message:
        """The message that asks for it the first time."""
        self._began_at = time.monotonic()
        if self._start is not None:
            return self._request(subscriber, {"start": self._start})
        backlog = {"get_backlog": self._get_backlog, "backlog_seconds": self._backlog_seconds}
        return self._request(subscriber, backlog)

    def next_request(self, subscriber: str) -> Message:
        """The message that asks for it again, under another id, so that it goes on where it stopped.

        A durable subscription goes on behind what was committed, others behind the last message that came.
        Where none came yet, the server is asked for the time since the beginning.
        """
        self.wire_id = new_id()
        self._is_behind = False
        if self._left_out:
            # Stored ones come again; these do not.
            self._offer(Gap(None, None, self._left_out))
            self._left_out = 0
        if self.durable is not None:
            # All that is not committed comes again.
            self._queue.clear()
            self._queued_offset = self.handled
        if self._queued_offset is not None:
            return self._request(subscriber, {"start": {"offset": self._queued_offset}})
        if self._start is not None:
            return self._request(subscriber, {"start": self._start})
        before = self._backlog_seconds if self._get_backlog else RESUME_SLACK_SECONDS
        elapsed = time.monotonic() - self._began_at
        return self._request(subscriber, {"get_backlog": True, "backlog_seconds": elapsed + before})

    def stop(self) -> None:
        """The callback is not called any more."""
        self._is_stopped = True
        self._awake()

    def fall_behind(self) -> None:
        """Takes nothing more until it is asked for again."""
        self._is_behind = True
        self._awake()

    def take(self, message: Message) -> None:
        """Takes a notification. Called by the reader of the connection."""
        gap = message.get("gap")
        if self._is_behind or len(self._queue) >= QUEUE_MESSAGES_MAX:
            self._is_behind = True
            if gap is None and message.get("offset") is None:
                self._left_out += 1
            return
        if gap is not None:
            self._offer(Gap(gap.get("from"), gap.get("to"), gap.get("count")))
            return
        received = self._read(message)
        if received.offset is not None:
            self._queued_offset = received.offset
        self._offer(received)

    async def run(self, recover: Callable[["Subscription"], Awaitable[None]]) -> None:
        """Calls the callback with one message after the other, until it is stopped.

        ``recover`` asks for the subscription again, when all that came is handed over and something did not.
        """
        loop = asyncio.get_running_loop()
        while not self._is_stopped:
            if self._queue:
                await self._hand_over(self._queue.popleft())
            elif self._is_behind:
                await recover(self)
            else:
                self._wake = loop.create_future()
                await self._wake

    async def _hand_over(self, received: Union[PubSubMessage, Gap]) -> None:
        try:
            if isinstance(received, Gap):
                if self._on_gap is not None:
                    self._on_gap(received)
                else:
                    log.warning("messages of %s are missing: %s", self.patterns, received)
                return
            result = self._callback(received)
            if inspect.isawaitable(result):
                await result
        except Exception:
            log.exception("the callback of %s failed", self.patterns)
        if isinstance(received, PubSubMessage) and received.offset is not None:
            self.handled = received.offset
            self._uncommitted += 1
            many = self._many_uncommitted
            if self._uncommitted >= COMMIT_MESSAGES and many is not None and not many.done():
                many.set_result(None)

    async def commit_due(self) -> str:
        """Waits until there is something to commit, and then for more of it; its offset."""
        while True:
            self._many_uncommitted = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._many_uncommitted], timeout=COMMIT_SECONDS)
            if self.handled is not None and self.handled != self.committed:
                self._uncommitted = 0
                return self.handled

    def _offer(self, received: Union[PubSubMessage, Gap]) -> None:
        self._queue.append(received)
        self._awake()

    def _awake(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _request(self, subscriber: str, beginning: Mapping[str, Any]) -> Message:
        subscription: Dict[str, Any] = {
            "subscription_id": self.wire_id,
            "patterns": [
                {"pattern": pattern, "exact_match": "*" not in pattern and "#" not in pattern}
                for pattern in self.patterns
            ],
            "subscriber": subscriber,
            "created_at": self._created_at,
            **beginning,
        }
        if self.durable is not None:
            subscription["durable"] = self.durable
            subscription["shared"] = self._shared
        return {"role": "pubsub-subscribe", "u": new_id(), "subscription": subscription}

    def _read(self, notification: Message) -> PubSubMessage:
        message = notification.get("message") or {}
        return PubSubMessage(
            topic=message.get("topic", ""),
            payload=message.get("payload"),
            timestamp=message.get("timestamp", 0.0),
            message_id=message.get("message_id", ""),
            publisher=message.get("publisher", ""),
            headers=message.get("headers") or {},
            routing_path=message.get("routing_path"),
            current_hop=message.get("current_hop"),
            offset=notification.get("offset"),
            subscription_id=self.id,
            backlog=str(notification.get("u", "")).startswith("backlog_"),
        )
