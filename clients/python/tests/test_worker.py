"""Functions of this process, called through the server."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import Any, AsyncIterator, Dict, List, Optional

import pytest
from server import Server, until

from mpreg import CommandNotFound, ConnectionOptions, MPREGClientAPI, RPCCommand, Worker
from mpreg.errors import ExecutionFailed, RpcError
from mpreg.worker.declaration import type_name

QUICK = ConnectionOptions(reconnect_delay=0.01, reconnect_delay_max=0.05)


@contextlib.asynccontextmanager
async def serving(worker: Worker, client: MPREGClientAPI) -> AsyncIterator[MPREGClientAPI]:
    async with worker, client:
        yield client


async def test_functions_of_all_kinds(url: str, client: MPREGClientAPI, name: str) -> None:
    worker = Worker(url)

    @worker.function(f"{name}.plain")
    def plain(a: int, b: int = 2, *rest: int, c: int = 0) -> int:
        return a + b + sum(rest) + c

    @worker.function(f"{name}.waits")
    async def waits(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "waited"

    @worker.function(f"{name}.thread", blocking=True)
    def thread() -> str:
        time.sleep(0.01)
        return threading.current_thread().name

    @worker.function(f"{name}.asks")
    async def asks(value: Any) -> Any:
        return await worker.client.call("echo", value)

    async with serving(worker, client):
        assert await client.call(f"{name}.plain", 1) == 3
        assert await client.call(f"{name}.plain", 1, 1, 1, c=1) == 4
        assert await client.call(f"{name}.waits", 0.01) == "waited"
        assert (await client.call(f"{name}.thread")).startswith(worker.name)
        assert await client.call(f"{name}.asks", {"a": 1}) == {"a": 1}
        graph = [RPCCommand("one", f"{name}.plain", [1]), RPCCommand("two", f"{name}.plain", ["one"])]
        assert await client.request(graph) == {"two": 5}
    assert plain(1) == 3, "a decorated function stays what it is"


async def test_what_functions_do_wrong_reaches_their_callers(url: str, client: MPREGClientAPI, name: str) -> None:
    worker = Worker(url)

    @worker.function(f"{name}.fails")
    def fails(how: Any) -> Any:
        if how == "set":
            return {1, 2}
        if how == "nan":
            return float("nan")
        if how == "large":
            return "x" * (21 * 1024 * 1024)
        raise KeyError("half a \ud800 pair" if how == "surrogate" else how)

    @worker.function(f"{name}.later")
    async def later() -> None:
        raise RuntimeError("later")

    @worker.function(f"{name}.thread", blocking=True)
    def thread() -> None:
        raise RuntimeError("in a thread")

    async with serving(worker, client):
        for fun, argument, kind in (
            ("fails", "key", "KeyError"),
            ("fails", "surrogate", "KeyError"),
            ("fails", "set", "EncodeError"),
            ("fails", "nan", "EncodeError"),
            ("fails", "large", "MessageTooLarge"),
        ):
            with pytest.raises(ExecutionFailed) as failed:
                await client.call(f"{name}.{fun}", argument)
            assert failed.value.kind == kind, argument
        for fun, kind, arguments in (
            ("later", "RuntimeError", []),
            ("thread", "RuntimeError", []),
            ("later", "TypeError", [1]),
            ("thread", "TypeError", [1]),
            ("fails", "TypeError", []),
        ):
            with pytest.raises(ExecutionFailed) as failed:
                await client.call(f"{name}.{fun}", *arguments)
            assert failed.value.kind == kind, fun


async def test_functions_describe_themselves(url: str, client: MPREGClientAPI, name: str) -> None:
    worker = Worker(url, name="describer")

    @worker.function(
        f"{name}.mean",
        version="1.2",
        function_id=f"{name}-id",
        tags=["math"],
        resources=["gpu"],
        examples=[{"name": "two", "request": [[1, 2]], "response": 1.5}],
    )
    def mean(
        numbers: List[float], /, weights: Optional[Dict[str, int]] = None, *, digits: int = 2, **more: Any
    ) -> float:
        """Mean of numbers.

        Weighted where weights are given.
        """
        return sum(numbers) / len(numbers)

    async with serving(worker, client):
        (item,) = (await client.rpc_describe(function_name=f"{name}.mean")).items
        assert (item.identity.function_id, item.identity.version) == (f"{name}-id", "1.2.0")
        assert (item.tags, item.resources, item.namespace) == (("math",), ("gpu",), name)
        assert item.spec is not None and item.spec["doc"]["summary"] == "Mean of numbers."
        assert "Weighted" in item.spec["doc"]["description"]
        described = [
            (each["name"], each["kind"], each["type_spec"]["display"], each["required"])
            for each in item.spec["parameters"]
        ]
        assert described == [
            ("numbers", "positional_only", "array[number]", True),
            ("weights", "positional_or_keyword", "object[integer] | null", False),
            ("digits", "keyword_only", "integer", False),
            ("more", "var_keyword", "any", False),
        ]
        assert item.spec["return_spec"]["type_spec"]["display"] == "number"
        assert item.spec["parameters"][2]["default"]["json_value"] == 2
        assert await client.call(f"{name}.mean", [1, 2], locs={"gpu"}, version_constraint=">=1.2,<2") == 1.5
        with pytest.raises(CommandNotFound):
            await client.call(f"{name}.mean", [1, 2], locs={"tpu"})


def test_types_have_the_names_of_json() -> None:
    for of, expected in (
        (int, "integer"),
        (Optional[str], "string | null"),
        (List[List[bool]], "array[array[boolean]]"),
        (dict, "object"),
        (Dict[str, float], "object[number]"),
        (tuple, "array"),
        (Any, "any"),
        (None, "null"),
        (type(None), "null"),
        (Server, "Server"),
    ):
        assert type_name(of) == expected


async def test_several_versions_at_once(url: str, client: MPREGClientAPI, name: str) -> None:
    worker = Worker(url)
    worker.function(name, version="1.0.0")(lambda: "old")
    worker.function(name, version="v2")(lambda: "new")
    async with serving(worker, client):
        assert await client.call(name) == "new"
        assert await client.call(name, version_constraint="<2.0.0") == "old"


async def test_pure_functions_run_once(url: str, client: MPREGClientAPI, name: str) -> None:
    worker = Worker(url)
    ran = 0

    @worker.function(name, pure=True, ttl_seconds=60)
    async def square(number: int) -> int:
        nonlocal ran
        ran += 1
        await asyncio.sleep(0.02)
        return number * number

    async with serving(worker, client):
        assert await asyncio.gather(*(client.call(name, 7) for _ in range(50))) == [49] * 50
        assert ran == 1


async def test_a_hundred_calls_at_once_and_no_more_than_agreed(url: str, client: MPREGClientAPI, name: str) -> None:
    worker = Worker(url, max_in_flight=8)
    most = now = 0

    @worker.function(name)
    async def slow(number: int) -> int:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.005)
        now -= 1
        return number

    async with serving(worker, client):
        assert await asyncio.gather(*(client.call(name, number) for number in range(100))) == list(range(100))
        assert most == 8


async def test_a_call_that_nobody_waits_for_is_cancelled(url: str, client: MPREGClientAPI, name: str) -> None:
    worker = Worker(url)
    ended: List[str] = []

    @worker.function(name)
    async def endless() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async with worker:
        async with client:
            call = asyncio.ensure_future(client.call(name))
            await until(lambda: len(worker._calls) == 1)
        with contextlib.suppress(ConnectionError):
            await call
        await until(lambda: ended == ["cancelled"] and len(worker._calls) == 0)


async def test_stopping_finishes_what_runs(url: str, client: MPREGClientAPI, name: str) -> None:
    worker = Worker(url)
    begun = asyncio.Event()

    @worker.function(name)
    async def slow() -> str:
        begun.set()
        await asyncio.sleep(0.1)
        return "finished"

    async with client:
        await worker.start()
        call = asyncio.ensure_future(client.call(name))
        await begun.wait()
        await worker.stop()
        assert await call == "finished"
        with pytest.raises(CommandNotFound):
            await client.call(name)


@pytest.mark.parametrize("scheme", ["ws", "tcp"])
async def test_a_worker_comes_back_after_a_restart(own_server: Server, scheme: str) -> None:
    worker = Worker(own_server.url(scheme), options=QUICK)
    worker.function("add")(lambda a, b: a + b)
    async with worker, MPREGClientAPI(own_server.url(scheme), options=QUICK) as client:
        for round_ in range(3):
            assert await client.call("add", round_, 1) == round_ + 1
            own_server.kill()
            await until(lambda: not client.is_connected and not worker.client.is_connected)
            own_server.start()
            await until(lambda: client.is_connected and worker.client.is_connected)
        assert await client.call("add", 5, 5) == 10


async def test_a_lost_worker_ends_its_calls(own_server: Server) -> None:
    worker = Worker(own_server.url("tcp"))
    begun = asyncio.Event()

    @worker.function("endless")
    async def endless() -> None:
        begun.set()
        await asyncio.sleep(60)

    async with MPREGClientAPI(own_server.url("tcp")) as client:
        await worker.start()
        call = asyncio.ensure_future(client.call("endless"))
        await begun.wait()
        await worker.client.disconnect()
        with pytest.raises(ExecutionFailed) as lost:
            await call
        assert lost.value.kind == "WorkerLost"
        with pytest.raises(CommandNotFound):
            await client.call("endless")
        await worker.stop()


async def test_a_heartbeat_keeps_the_lease(own_server: Server) -> None:
    worker = Worker(own_server.url("tcp"), lease_ms=1000)
    worker.function("idle")(lambda: "still here")
    async with worker, MPREGClientAPI(own_server.url("tcp")) as client:
        await asyncio.sleep(1.6)
        assert await client.call("idle") == "still here"


async def test_a_worker_whose_lease_ended_registers_again(own_server: Server) -> None:
    worker = Worker(own_server.url("tcp"), lease_ms=1000)

    @worker.function("block")
    def block() -> str:
        # On the event loop: nothing is heard of the worker meanwhile.
        time.sleep(1.7)
        return "late"

    async with worker, MPREGClientAPI(own_server.url("tcp")) as client:
        with pytest.raises(RpcError):
            await client.call("block")

        async def serves() -> bool:
            return bool((await client.rpc_list(function_name="block")).items)

        for _ in range(100):
            if await serves():
                break
            await asyncio.sleep(0.05)
        assert await serves()


async def test_a_refused_declaration_serves_nothing(url: str, client: MPREGClientAPI, name: str) -> None:
    worker = Worker(url)
    worker.function(name)(lambda: 1)
    worker.function("echo")(lambda value: value)
    async with client:
        with pytest.raises(RpcError):
            await worker.start()
        assert not worker.client.is_connected
        with pytest.raises(CommandNotFound):
            await client.call(name)


async def test_more_functions_than_fit_one_registration(url: str, client: MPREGClientAPI, name: str) -> None:
    worker = Worker(url)
    for number in range(1100):
        worker.function(f"{name}.f{number}")(lambda number=number: number)
    async with serving(worker, client):
        assert await client.call(f"{name}.f0") == 0 and await client.call(f"{name}.f1099") == 1099
