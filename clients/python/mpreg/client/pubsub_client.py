"""Publish and subscribe."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from typing import Any, AsyncIterator, Dict, List, Mapping, Optional, Sequence

from ..core.model import PubSubMessage
from ..errors import ClientClosed, MPREGError, PubSubError, RequestTimeout
from ..link.connection import Connection
from ..link.message import Message, new_id
from .client_api import MPREGClientAPI
from .subscription import Callback, GapCallback, Start, Subscription

log = logging.getLogger("mpreg")

STOP_SECONDS = 2.0
"""How long :meth:`MPREGPubSubClient.stop` waits for the server."""
RECOVER_SECONDS = 1.0
"""Between attempts to take up a subscription again."""


class MPREGPubSubClient:
    """Publishes and subscribes over the connection of ``base_client``.

    After a lost connection all subscriptions are made again by themselves and go on behind the last message
    that came: nothing that the server still has is missed or repeated. What it no longer has is told as a
    :class:`~mpreg.core.model.Gap`. Disconnecting ``base_client`` ends them: :meth:`stop` first.
    """

    def __init__(self, base_client: MPREGClientAPI) -> None:
        self.base_client = base_client
        self.client_id = f"pubsub_client_{new_id()}"
        self._client = base_client._client
        self._subscriptions: Dict[str, Subscription] = {}
        self._tasks: Dict[str, "asyncio.Task[None]"] = {}
        self._running = False

    async def start(self) -> None:
        """Connects where that was not done, and begins to serve subscriptions."""
        if self._running:
            return
        await self.base_client.connect()
        self._running = True
        self._client.session.on_reopen(self._restore)

    async def stop(self) -> None:
        """Ends all subscriptions."""
        self._running = False
        self._client.session.forget(self._restore)
        for subscription_id in list(self._subscriptions):
            try:
                await self.unsubscribe(subscription_id, timeout=STOP_SECONDS)
            except MPREGError as error:
                log.debug("unsubscribing at the stop: %s", error)

    async def __aenter__(self) -> "MPREGPubSubClient":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def publish(
        self,
        topic: str,
        payload: Any,
        headers: Optional[Mapping[str, Any]] = None,
        *,
        level: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> bool:
        """Publishes a message; true once the server has accepted it.

        ``level`` is ``"volatile"``, ``"eventual"`` or ``"strong"`` (synced before this returns); the server
        has a default. Raises :class:`~mpreg.errors.PubSubError` when it refuses, otherwise what every request
        may raise: where upstream's client answers false, this one says why.
        """
        await self.publish_message(topic, payload, headers, level=level, timeout=timeout)
        return True

    async def publish_message(
        self,
        topic: str,
        payload: Any,
        headers: Optional[Mapping[str, Any]] = None,
        *,
        level: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> Message:
        """As :meth:`publish`; the server's ack with ``offset`` and ``durability``."""
        message: Message = {
            "topic": topic,
            "payload": payload,
            "timestamp": time.time(),
            "message_id": new_id(),
            "publisher": self.client_id,
            "headers": dict(headers or {}),
        }
        request: Message = {"role": "pubsub-publish", "u": new_id(), "message": message}
        if level is not None:
            request["options"] = {"consistency_level": level}
        return _accepted(await self.base_client.send_raw_message(request, timeout))

    async def publish_with_reply(
        self, topic: str, payload: Any, headers: Optional[Mapping[str, Any]] = None, timeout: float = 30.0
    ) -> PubSubMessage:
        """Publishes with a ``reply_to`` header and waits for the first message on that topic.

        Raises :class:`~mpreg.errors.RequestTimeout` when none comes within ``timeout`` seconds.
        """
        reply_to = f"reply.{new_id()}"
        answer: asyncio.Future[PubSubMessage] = asyncio.get_running_loop().create_future()

        def take(message: PubSubMessage) -> None:
            if not answer.done():
                answer.set_result(message)

        subscription_id = await self.subscribe([reply_to], take, get_backlog=False)
        try:
            await self.publish(topic, payload, {**(headers or {}), "reply_to": reply_to})
            return await asyncio.wait_for(answer, timeout)
        except asyncio.TimeoutError:
            raise RequestTimeout(timeout) from None
        finally:
            await self.unsubscribe(subscription_id)

    async def subscribe(
        self,
        patterns: Sequence[str],
        callback: Callback,
        get_backlog: bool = True,
        backlog_seconds: float = 300,
        *,
        start: Optional[Start] = None,
        durable: Optional[str] = None,
        shared: bool = False,
        auto_commit: bool = True,
        on_gap: Optional[GapCallback] = None,
    ) -> str:
        """Calls ``callback`` (a function or a coroutine function) with each message whose topic matches.

        ``*`` in a pattern stands for one segment of a topic, ``#`` for any number. The callback gets one
        message at a time, in order; one that fails is logged and does not end the subscription.

        Begins with the messages of the last ``backlog_seconds``, or where ``start`` says: ``"latest"``,
        ``"earliest"``, ``{"offset": offset}`` (behind it) or ``{"time": seconds}``. ``durable`` names a
        position that the server keeps: the subscription goes on behind what was committed, at least once, from
        any connection; with ``shared`` all of that name share the messages. Handled messages are committed by
        themselves, or by :meth:`commit` without ``auto_commit``.

        Returns the subscription's id. Raises :class:`~mpreg.errors.PubSubError` when the server refuses.
        """
        if not self._running:
            raise ClientClosed("start() the pub/sub client first")
        subscription = Subscription(
            patterns,
            callback,
            get_backlog=get_backlog,
            backlog_seconds=backlog_seconds,
            start=start,
            durable=durable,
            shared=shared,
            auto_commit=auto_commit,
            on_gap=on_gap,
        )
        # Before the request is sent: the backlog follows its answer at once.
        self._client.subscribers[subscription.wire_id] = subscription.take
        try:
            _accepted(await self.base_client.send_raw_message(subscription.first_request(self.client_id)))
        except BaseException:
            del self._client.subscribers[subscription.wire_id]
            raise
        self._subscriptions[subscription.id] = subscription
        self._tasks[subscription.id] = asyncio.ensure_future(self._serve(subscription))
        return subscription.id

    @asynccontextmanager
    async def messages(self, patterns: Sequence[str], **arguments: Any) -> AsyncIterator[AsyncIterator[PubSubMessage]]:
        """A subscription as a stream; the arguments are those of :meth:`subscribe`.

        ::

            async with pubsub.messages(["orders.#"]) as stream:
                async for message in stream:
                    print(message.payload)
        """
        # One place: what the loop does not take yet waits in the subscription, which has its limits.
        queue: asyncio.Queue[PubSubMessage] = asyncio.Queue(1)

        async def stream() -> AsyncIterator[PubSubMessage]:
            while True:
                yield await queue.get()

        subscription_id = await self.subscribe(patterns, queue.put, **arguments)
        try:
            yield stream()
        finally:
            await self.unsubscribe(subscription_id)

    async def unsubscribe(self, subscription_id: str, timeout: Optional[float] = None) -> bool:
        """Ends a subscription; false when there is none of that id. Its callback is not called any more."""
        subscription = self._subscriptions.pop(subscription_id, None)
        if subscription is None:
            return False
        self._client.subscribers.pop(subscription.wire_id, None)
        subscription.stop()
        task = self._tasks.pop(subscription_id)
        if task is not asyncio.current_task():
            task.cancel()
            await asyncio.wait([task])
        # Without a connection the server has forgotten it already.
        if self.base_client.is_connected:
            await self._commit_handled(subscription, timeout)
            await self._end(subscription.wire_id, timeout)
        return True

    async def commit(self, message: PubSubMessage) -> None:
        """Says that a durable subscription is done with everything up to ``message``.

        Raises :class:`~mpreg.errors.PubSubError` for a subscription that is not durable, or gone.
        """
        subscription = self._subscriptions.get(message.subscription_id)
        if subscription is None or message.offset is None:
            raise PubSubError("no subscription, or a message that is not stored")
        await self._commit(subscription, message.offset, None)

    def list_subscriptions(self) -> List[str]:
        """Ids of the subscriptions there are."""
        return list(self._subscriptions)

    async def _serve(self, subscription: Subscription) -> None:
        if not subscription.commits_itself:
            await subscription.run(self._recover)
            return
        committing = asyncio.ensure_future(self._keep_committing(subscription))
        try:
            await subscription.run(self._recover)
        finally:
            committing.cancel()

    async def _keep_committing(self, subscription: Subscription) -> None:
        while True:
            offset = await subscription.commit_due()
            try:
                await self._commit(subscription, offset, None)
            except ClientClosed:
                return
            except MPREGError as error:
                log.warning("committing for %r: %s", subscription.durable, error)

    async def _commit_handled(self, subscription: Subscription, timeout: Optional[float]) -> None:
        offset = subscription.handled
        if subscription.commits_itself and offset is not None and offset != subscription.committed:
            await self._commit(subscription, offset, timeout)

    async def _commit(self, subscription: Subscription, offset: str, timeout: Optional[float]) -> None:
        wire_id = subscription.wire_id
        request = {"role": "pubsub-commit", "u": new_id(), "subscription_id": wire_id, "offset": offset}
        # Not over the base client here and below, which connects a client that was disconnected on purpose.
        _accepted(await self._client.send_raw_message(request, timeout))
        subscription.committed = offset

    async def _end(self, wire_id: str, timeout: Optional[float]) -> None:
        request = {"role": "pubsub-unsubscribe", "u": new_id(), "subscription_id": wire_id}
        _accepted(await self._client.send_raw_message(request, timeout))

    def _ask_again(self, subscription: Subscription) -> Message:
        """The request that takes up a subscription where it stopped; its notifications have a new address."""
        self._client.subscribers.pop(subscription.wire_id, None)
        request = subscription.next_request(self.client_id)
        self._client.subscribers[subscription.wire_id] = subscription.take
        return request

    async def _recover(self, subscription: Subscription) -> None:
        """Takes up a subscription that has missed messages, as often as it takes."""
        subscription.is_recovering = True
        try:
            while not await self._try_again(subscription):
                subscription.fall_behind()
                await asyncio.sleep(RECOVER_SECONDS)
        finally:
            subscription.is_recovering = False

    async def _try_again(self, subscription: Subscription) -> bool:
        try:
            await self._commit_handled(subscription, None)
            await self._end(subscription.wire_id, None)
        except MPREGError as error:
            log.debug("leaving %s: %s", subscription.patterns, error)
        try:
            _accepted(await self._client.send_raw_message(self._ask_again(subscription)))
            return True
        except ClientClosed:
            subscription.stop()
            return True
        except MPREGError as error:
            log.warning("subscribing to %s again: %s", subscription.patterns, error)
            return False

    async def _restore(self, connection: Connection) -> None:
        """Makes all subscriptions on a new connection."""
        timeout = self._client.options.reply_timeout
        for subscription in list(self._subscriptions.values()):
            if subscription.is_recovering:
                continue
            try:
                _accepted(await connection.request(self._ask_again(subscription), timeout))
            except PubSubError as error:
                log.warning("subscribing to %s again: %s", subscription.patterns, error)
                subscription.fall_behind()


def _accepted(ack: Message) -> Message:
    if ack.get("role") != "pubsub-ack" or ack.get("success") is not True:
        raise PubSubError(str(ack.get("error") or f"an answer of role {ack.get('role')!r}"))
    return ack
