"""Lost connections: nothing hangs, and what can go on does."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from typing import Any, Awaitable, Callable, List

import pytest
from server import Server, until

from mpreg import (
    CacheClient,
    ConnectionFailed,
    ConnectionLost,
    ConnectionOptions,
    MPREGClientAPI,
    MPREGPubSubClient,
    PubSubMessage,
    RequestTimeout,
)
from mpreg.errors import ClientClosed, ProtocolError

TRANSPORTS = ["ws", "tcp"]
QUICK = ConnectionOptions(reconnect_delay=0.01, reconnect_delay_max=0.05)
NEVER = {"role": "pubsub-ack"}
"""A message that the server does not answer."""


@pytest.mark.parametrize("scheme", TRANSPORTS)
async def test_a_killed_server_ends_all_requests(own_server: Server, scheme: str) -> None:
    async with MPREGClientAPI(own_server.url(scheme), options=QUICK) as client:
        waiting = [asyncio.ensure_future(client.send_raw_message(NEVER, 30)) for _ in range(20)]
        await client.call("echo", 1)
        began = time.monotonic()
        own_server.kill()
        for ended in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(ended, ConnectionLost) and ended.sent
        with pytest.raises(ConnectionLost) as unsent:
            await client.call("echo", 1, timeout=0.2)
        assert not unsent.value.sent and time.monotonic() - began < 5
        own_server.start()
        assert await client.call("echo", 2) == 2


@pytest.mark.parametrize("scheme", TRANSPORTS)
async def test_without_reconnection_a_lost_connection_stays_lost(own_server: Server, scheme: str) -> None:
    options = ConnectionOptions(reconnect=False)
    client = MPREGClientAPI(own_server.url(scheme), options=options)
    await client.connect()
    own_server.kill()
    await until(lambda: not client.is_connected)
    with pytest.raises(ConnectionFailed):
        await client.call("echo", 1)
    with pytest.raises(ClientClosed):
        await client._client.request([])
    own_server.start()
    assert await client.call("echo", 1) == 1
    await client.disconnect()


@pytest.mark.parametrize("scheme", TRANSPORTS)
async def test_subscriptions_go_on_after_a_restart(own_server: Server, scheme: str) -> None:
    got: List[Any] = []
    options = QUICK
    async with MPREGClientAPI(own_server.url(scheme), options=options) as client, MPREGPubSubClient(client) as pubsub:
        await pubsub.subscribe(["a.#"], lambda message: got.append(message.payload))
        idle: List[Any] = []
        await pubsub.subscribe(["idle"], lambda message: idle.append(message.payload), get_backlog=False)
        for number in range(5):
            await pubsub.publish("a.b", number, level="strong")
        await until(lambda: len(got) == 5)
        own_server.kill()
        await until(lambda: not client.is_connected)
        own_server.start()
        # Another client may be there first: its messages are not missed.
        async with MPREGClientAPI(own_server.url("tcp")) as other, MPREGPubSubClient(other) as publisher:
            await publisher.publish("a.c", 5)
            await publisher.publish("idle", "first")
        await pubsub.publish("a.d", 6)
        await until(lambda: len(got) == 7 and idle)
        assert got == list(range(7)) and idle == ["first"]


@pytest.mark.parametrize("scheme", TRANSPORTS)
async def test_nothing_acknowledged_is_missed_while_the_server_is_killed(own_server: Server, scheme: str) -> None:
    """Publishers at full speed, three kills: each acknowledged message arrives once, in order."""
    got: List[int] = []
    acknowledged: List[int] = []
    stop = asyncio.Event()

    async def publish(pubsub: MPREGPubSubClient) -> None:
        number = 0
        while not stop.is_set():
            try:
                await pubsub.publish("load", number)
                acknowledged.append(number)
            except ConnectionLost:
                # Whether it was stored is unknown; the number is not used again.
                pass
            number += 1

    listening = MPREGClientAPI(own_server.url(scheme), options=QUICK)
    publishing = MPREGClientAPI(own_server.url(scheme), options=QUICK)
    async with (
        listening,
        publishing,
        MPREGPubSubClient(listening) as listener,
        MPREGPubSubClient(publishing) as publisher,
    ):
        await listener.subscribe(["load"], lambda message: got.append(message.payload))
        load = asyncio.ensure_future(publish(publisher))
        for _ in range(3):
            before = len(acknowledged)
            await until(lambda: len(acknowledged) > before + 50)
            own_server.kill()
            await until(lambda: not listening.is_connected and not publishing.is_connected)
            own_server.start()
        before = len(acknowledged)
        await until(lambda: len(acknowledged) > before + 50)
        stop.set()
        await load
        await until(lambda: got and got[-1] >= acknowledged[-1])
    assert got == sorted(set(got)), "in order, each once"
    assert set(acknowledged) <= set(got)


@pytest.mark.parametrize("scheme", TRANSPORTS)
async def test_a_durable_subscription_misses_nothing_while_the_server_is_killed(
    own_server: Server, scheme: str
) -> None:
    got: List[int] = []

    async def take(message: PubSubMessage) -> None:
        await asyncio.sleep(0.001)
        got.append(message.payload)

    async with MPREGClientAPI(own_server.url(scheme), options=QUICK) as client, MPREGPubSubClient(client) as pubsub:
        await asyncio.gather(*(pubsub.publish("jobs", number, level="strong") for number in range(300)))
        await pubsub.subscribe(["jobs"], take, start="earliest", durable="worker")
        for _ in range(2):
            before = len(got)
            await until(lambda: len(got) > before + 60)
            own_server.kill()
            await until(lambda: not client.is_connected)
            own_server.start()
        await until(lambda: set(got) == set(range(300)))
        assert len(got) < 900, "what was committed does not come again"


@pytest.mark.parametrize("scheme", TRANSPORTS)
async def test_retried_writes_happen_once(own_server: Server, scheme: str) -> None:
    async with MPREGClientAPI(own_server.url(scheme), options=QUICK) as client:
        cache = CacheClient(client, retries=True, level="strong")

        async def count(times: int) -> None:
            for _ in range(times):
                await cache.increment(("counters", "n"))

        counting = [asyncio.ensure_future(count(100)) for _ in range(8)]
        for _ in range(3):
            await asyncio.sleep(0.1)
            own_server.kill()
            await until(lambda: not client.is_connected)
            own_server.start()
        await asyncio.gather(*counting)
        assert await cache.get(("counters", "n")) == 800


@pytest.mark.parametrize("scheme", TRANSPORTS)
async def test_a_silent_server_is_given_up(own_server: Server, scheme: str) -> None:
    options = ConnectionOptions(ping_interval=0.1, ping_timeout=0.2, reconnect_delay=0.01, connect_timeout=0.5)
    async with MPREGClientAPI(own_server.url(scheme), options=options) as client:
        connection = client._client.session._connection
        await asyncio.sleep(0.5)
        assert client._client.session._connection is connection, "a server that answers pings is not given up"
        own_server.pause()
        began = time.monotonic()
        with pytest.raises(ConnectionLost):
            await client.call("echo", 1)
        assert time.monotonic() - began < 5
        own_server.go_on()
        assert await client.call("echo", 1) == 1


@pytest.mark.parametrize("scheme", TRANSPORTS)
async def test_time_limits_hold(own_server: Server, scheme: str) -> None:
    async with MPREGClientAPI(own_server.url(scheme)) as client:
        own_server.pause()
        with pytest.raises(RequestTimeout) as late:
            await client.call("echo", 1, timeout=0.1)
        assert isinstance(late.value, TimeoutError) and client.is_connected
        with pytest.raises(ConnectionFailed):
            options = ConnectionOptions(connect_timeout=0.2)
            # TCP is accepted by the kernel; only the upgrade needs the server.
            await MPREGClientAPI(own_server.url("ws"), options=options).connect()
        own_server.go_on()
        assert await client.call("echo", 2) == 2


async def serve_frames(answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> Any:
    """A server of our own, for what the real one does not do."""
    return await asyncio.start_server(answer, "127.0.0.1", 0)


@pytest.mark.parametrize(
    "sent", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x01{", b"\x00\x00\x00\x02[]", b"\x00\x00\x00\x01\xff"]
)
async def test_what_is_no_message_ends_the_connection(sent: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(4)
        writer.write(sent)

    async with await serve_frames(answer) as fake:
        port = fake.sockets[0].getsockname()[1]
        async with MPREGClientAPI(f"tcp://127.0.0.1:{port}", options=ConnectionOptions(reconnect=False)) as client:
            with pytest.raises(ConnectionLost):
                await client.call("echo", 1)


async def test_frames_may_come_in_any_pieces() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (size,) = struct.unpack(">I", await reader.readexactly(4))
        u = json.loads(await reader.readexactly(size))["u"]
        reply = json.dumps({"role": "rpc-response", "u": u, "r": {"echo": "x" * 100}, "error": None}).encode()
        frames = b"\0\0\0\0" + b"\0\0\0\4PING" + struct.pack(">I", len(reply)) + reply
        for at in range(len(frames)):
            writer.write(frames[at : at + 1])
            await writer.drain()
            await asyncio.sleep(0)
        assert await reader.readexactly(8) == b"\0\0\0\4PONG"

    async with await serve_frames(answer) as fake:
        port = fake.sockets[0].getsockname()[1]
        async with MPREGClientAPI(f"tcp://127.0.0.1:{port}") as client:
            assert await client.call("echo", 1) == "x" * 100


async def test_credentials_go_into_the_auth_message_of_tcp() -> None:
    seen: List[Any] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (size,) = struct.unpack(">I", await reader.readexactly(4))
        asked = json.loads(await reader.readexactly(size))
        seen.append(asked)
        error = {"code": 401, "message": "authentication_required", "details": None}
        reply = json.dumps({"role": "rpc-response", "u": asked["u"], "r": None, "error": error}).encode()
        writer.write(struct.pack(">I", len(reply)) + reply)

    async with await serve_frames(answer) as fake:
        url = f"tcp://127.0.0.1:{fake.sockets[0].getsockname()[1]}"
        client = MPREGClientAPI(url, headers={"authorization": "Bearer secret"}, api_key="key")
        with pytest.raises(ConnectionFailed) as refused:
            await client.connect()
        assert refused.value.status == 401
    assert (seen[0]["role"], seen[0]["token"], seen[0]["api_key"]) == ("auth", "secret", "key")


async def test_a_refused_upgrade_tells_its_status() -> None:
    heads: List[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await serve_frames(answer) as fake:
        url = f"ws://127.0.0.1:{fake.sockets[0].getsockname()[1]}"
        with pytest.raises(ConnectionFailed) as refused:
            await MPREGClientAPI(url, auth_token="secret", api_key="key").connect()
        assert refused.value.status == 401
    assert b"Authorization: Bearer secret\r\n" in heads[0] and b"X-API-Key: key\r\n" in heads[0]


async def test_credentials_harm_nothing_where_none_are_asked_for(server: Server) -> None:
    for scheme in TRANSPORTS:
        async with MPREGClientAPI(server.url(scheme), headers={"X-API-Key": "key"}) as client:
            assert await client.call("echo", 1) == 1


async def test_an_answer_of_another_role_is_an_error() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (size,) = struct.unpack(">I", await reader.readexactly(4))
        u = json.loads(await reader.readexactly(size))["u"]
        reply = json.dumps({"role": "cache-response", "u": u, "status": "hit"}).encode()
        writer.write(struct.pack(">I", len(reply)) + reply)

    async with await serve_frames(answer) as fake:
        port = fake.sockets[0].getsockname()[1]
        async with MPREGClientAPI(f"tcp://127.0.0.1:{port}") as client:
            with pytest.raises(ProtocolError):
                await client.call("echo", 1)
