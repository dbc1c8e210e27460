"""Publish and subscribe over both transports."""

from __future__ import annotations

import asyncio
from typing import Any, List

import pytest
from server import Server, until

from mpreg import MPREGClientAPI, MPREGPubSubClient, PubSubMessage
from mpreg.client.subscription import Callback
from mpreg.core.model import Gap
from mpreg.errors import ClientClosed, PubSubError, RequestTimeout


async def test_what_is_published_arrives(client: MPREGClientAPI, name: str) -> None:
    got: List[PubSubMessage] = []
    async with client, MPREGPubSubClient(client) as pubsub:
        await pubsub.subscribe([f"{name}.#", f"{name}.*"], got.append, get_backlog=False)
        assert await pubsub.publish(f"{name}.a", {"n": [1, 2.5, None]}, {"priority": 5})
        assert await pubsub.publish(f"{name}.pattern.ml.*", None)
        assert await pubsub.publish(f"other-{name}", 1)
        await until(lambda: len(got) == 2)
        first = got[0]
        assert (first.topic, first.payload, first.headers) == (f"{name}.a", {"n": [1, 2.5, None]}, {"priority": 5})
        assert first.publisher == pubsub.client_id and first.message_id and first.timestamp > 1e9
        assert first.offset and not first.backlog and first.subscription_id in pubsub.list_subscriptions()
        assert got[1].topic == f"{name}.pattern.ml.*" and got[1].payload is None


async def test_the_backlog_comes_first(client: MPREGClientAPI, name: str) -> None:
    got: List[Any] = []
    async with client, MPREGPubSubClient(client) as pubsub:
        for number in range(5):
            await pubsub.publish(name, number)

        async def take(message: PubSubMessage) -> None:
            await asyncio.sleep(0)
            got.append((message.payload, message.backlog))

        await pubsub.subscribe([name], take, get_backlog=True)
        await pubsub.publish(name, 5)
        await until(lambda: len(got) == 6)
        assert [payload for payload, _ in got] == list(range(6))
        assert [backlog for _, backlog in got] == [True] * 5 + [False]
        none: List[Any] = []
        await pubsub.subscribe([name], none.append, get_backlog=False)
        await pubsub.publish(name, 6)
        await until(lambda: none)
        assert [message.payload for message in none] == [6]


async def test_a_subscription_begins_where_it_is_told(client: MPREGClientAPI, name: str) -> None:
    async with client, MPREGPubSubClient(client) as pubsub:
        acks = [await pubsub.publish_message(name, number, level="strong") for number in range(4)]
        assert acks[0]["durability"] == "strong"
        for start, expected in (
            ("earliest", [0, 1, 2, 3]),
            ({"offset": acks[1]["offset"]}, [2, 3]),
            ({"time": 0}, [0, 1, 2, 3]),
        ):
            got: List[Any] = []
            await pubsub.subscribe([name], got.append, start=start)  # type: ignore[arg-type]
            await until(lambda: len(got) == len(expected))
            assert [message.payload for message in got] == expected


async def test_a_failing_callback_ends_nothing(client: MPREGClientAPI, name: str, caplog: Any) -> None:
    got: List[Any] = []

    def take(message: PubSubMessage) -> None:
        if message.payload == 0:
            raise ZeroDivisionError("in a callback")
        got.append(message.payload)

    async with client, MPREGPubSubClient(client) as pubsub:
        await pubsub.subscribe([name], take)
        await pubsub.publish(name, 0)
        await pubsub.publish(name, 1)
        await until(lambda: got == [1])
    assert "in a callback" in caplog.text


async def test_unsubscribe_ends_it(client: MPREGClientAPI, name: str) -> None:
    got: List[Any] = []
    async with client, MPREGPubSubClient(client) as pubsub:
        subscription = await pubsub.subscribe([name], got.append)
        assert await pubsub.unsubscribe(subscription) is True
        assert await pubsub.unsubscribe(subscription) is False
        await pubsub.publish(name, 1)
        assert await client.call("echo", 1) == 1
        assert got == [] and pubsub.list_subscriptions() == []


async def test_a_callback_may_end_its_own_subscription(client: MPREGClientAPI, name: str) -> None:
    got: List[Any] = []
    async with client, MPREGPubSubClient(client) as pubsub:

        async def once(message: PubSubMessage) -> None:
            got.append(message.payload)
            await pubsub.unsubscribe(message.subscription_id)

        await pubsub.publish(name, 1)
        await pubsub.publish(name, 2)
        await pubsub.subscribe([name], once)
        await until(lambda: pubsub.list_subscriptions() == [])
        await asyncio.sleep(0.05)
        assert got == [1]


async def test_messages_as_a_stream(client: MPREGClientAPI, name: str) -> None:
    async with client, MPREGPubSubClient(client) as pubsub:
        async with pubsub.messages([f"{name}.*"], get_backlog=False) as stream:
            for number in range(3):
                await pubsub.publish(f"{name}.{number}", number)
            assert [(await stream.__anext__()).payload for _ in range(3)] == [0, 1, 2]
        assert pubsub.list_subscriptions() == []


async def test_request_and_reply(client: MPREGClientAPI, name: str) -> None:
    async with client, MPREGPubSubClient(client) as pubsub:

        async def answer(message: PubSubMessage) -> None:
            await pubsub.publish(message.headers["reply_to"], message.payload * 2)

        await pubsub.subscribe([name], answer, get_backlog=False)
        reply = await pubsub.publish_with_reply(name, 21)
        assert reply.payload == 42
        with pytest.raises(RequestTimeout):
            await pubsub.publish_with_reply(f"nobody.{name}", 1, timeout=0.1)
        assert len(pubsub.list_subscriptions()) == 1


async def test_two_clients_of_one_connection(client: MPREGClientAPI, name: str) -> None:
    async with client, MPREGPubSubClient(client) as one, MPREGPubSubClient(client) as two:
        got: List[Any] = []
        await one.subscribe([name], lambda message: got.append((1, message.payload)))
        await two.subscribe([name], lambda message: got.append((2, message.payload)))
        await one.publish(name, 5)
        await until(lambda: sorted(got) == [(1, 5), (2, 5)])


async def test_refusals(client: MPREGClientAPI, name: str) -> None:
    pubsub = MPREGPubSubClient(client)
    with pytest.raises(ClientClosed):
        await pubsub.subscribe([name], print)
    async with client, pubsub:
        with pytest.raises(PubSubError):
            await pubsub.subscribe([], print)
        with pytest.raises(PubSubError):
            await pubsub.subscribe([name], print, start="yesterday")
        with pytest.raises(PubSubError):
            await pubsub.publish(name, 1, level="somehow")
        assert client._client.subscribers == {} and pubsub.list_subscriptions() == []


async def test_a_durable_subscription_goes_on_where_it_was(own_server: Server) -> None:
    got: List[Any] = []

    def take(message: PubSubMessage) -> None:
        got.append(message.payload)

    async with MPREGClientAPI(own_server.url("ws")) as client, MPREGPubSubClient(client) as pubsub:
        await pubsub.publish("jobs", 0)
        await pubsub.subscribe(["jobs"], take, start="earliest", durable="worker-a")
        await pubsub.publish("jobs", 1)
        await until(lambda: got == [0, 1])
    async with MPREGClientAPI(own_server.url("tcp")) as client, MPREGPubSubClient(client) as pubsub:
        await pubsub.publish("jobs", 2)
        own_server.stop()
        await until(lambda: not client.is_connected)
        own_server.start()
        messages: List[PubSubMessage] = []
        subscription = await pubsub.subscribe(["jobs"], messages.append, durable="worker-a", auto_commit=False)
        await until(lambda: messages)
        assert [message.payload for message in messages] == [2]
        await pubsub.unsubscribe(subscription)
        again: List[PubSubMessage] = []
        subscription = await pubsub.subscribe(["jobs"], again.append, durable="worker-a", auto_commit=False)
        await until(lambda: again)
        await pubsub.commit(again[0])
        await pubsub.unsubscribe(subscription)
        await pubsub.publish("jobs", 3)
        last: List[PubSubMessage] = []
        await pubsub.subscribe(["jobs"], last.append, durable="worker-a")
        await until(lambda: last)
        assert [message.payload for message in last] == [3]


async def test_a_disconnected_client_stays_disconnected(own_server: Server) -> None:
    client = MPREGClientAPI(own_server.url("tcp"))
    pubsub = MPREGPubSubClient(client)
    await pubsub.start()
    got: List[PubSubMessage] = []
    await pubsub.subscribe(["jobs"], got.append, durable="worker")
    await pubsub.publish("jobs", 1)
    await until(lambda: got)
    await client.disconnect()
    await asyncio.sleep(0.5)
    assert not client.is_connected, "a commit that is due is no reason to connect"
    await pubsub.stop()
    assert not client.is_connected and pubsub.list_subscriptions() == []


async def test_a_slow_callback_misses_nothing(
    client: MPREGClientAPI, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mpreg.client.subscription.QUEUE_MESSAGES_MAX", 10)
    got: List[Any] = []
    gaps: List[Gap] = []
    gate = asyncio.Event()

    async def take(message: PubSubMessage) -> None:
        await gate.wait()
        got.append(message.payload)

    async with client, MPREGPubSubClient(client) as pubsub:
        await pubsub.subscribe([name], take, get_backlog=False, on_gap=gaps.append)
        for number in range(100):
            await pubsub.publish(name, number)
        gate.set()
        await until(lambda: len(got) >= 100)
        assert got == list(range(100)) and gaps == []
        gate.clear()
        for number in range(30):
            await pubsub.publish(name, number, level="volatile")
        gate.set()
        await until(lambda: gaps)
        assert len(got) - 100 + gaps[0].count == 30  # type: ignore[operator]


async def test_members_of_a_group_share_the_messages(own_server: Server) -> None:
    got: List[List[int]] = [[], []]
    one, two = (MPREGClientAPI(own_server.url(scheme)) for scheme in ("ws", "tcp"))
    async with one, two, MPREGPubSubClient(one) as first, MPREGPubSubClient(two) as second:

        def taker(member: int) -> Callback:
            async def take(message: PubSubMessage) -> None:
                await asyncio.sleep(0)
                got[member].append(message.payload)

            return take

        await first.subscribe(["jobs"], taker(0), durable="group", shared=True, start="earliest")
        await second.subscribe(["jobs"], taker(1), durable="group", shared=True, start="earliest")
        await asyncio.gather(*(first.publish("jobs", number) for number in range(1000)))
        await until(lambda: len(got[0]) + len(got[1]) == 1000)
        assert sorted(got[0] + got[1]) == list(range(1000)) and got[0] and got[1]
