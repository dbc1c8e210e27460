"""Calls, graphs and discovery over both transports."""

from __future__ import annotations

import asyncio

import pytest
from server import Server

from mpreg import CommandNotFound, ConnectionFailed, MPREGClientAPI, RPCCommand, RpcError, RPCRequest
from mpreg.core.model import CommandNotFoundException, MPREGException
from mpreg.errors import ClientClosed, EncodeError, ExecutionFailed, MessageTooLarge


async def test_calls_of_the_checklist(client: MPREGClientAPI) -> None:
    async with client:
        assert await client.call("echo", 1) == 1
        assert await client.call("echos", 1, 2) == [1, 2]
        assert await client.call("echo", {"a": 1}) == {"a": 1}
        assert await client.call("echo", "x.y") == "x.y"
        assert await client.call("echo", "echo") == "echo"
        assert await client.call("echo", arg=[None, True, 1.5, "ü\U0001f600"]) == [None, True, 1.5, "ü\U0001f600"]
        assert await client.call("echo", 1, target_cluster=None, routing_topic="anything") == 1


async def test_integers_and_floats_stay_what_they_are(client: MPREGClientAPI) -> None:
    async with client:
        for value in (1, 1.0, -(2**63), 2**63 - 1, 0.1, 1e300):
            echoed = await client.call("echo", value)
            assert echoed == value and type(echoed) is type(value)


async def test_a_call_connects_by_itself(client: MPREGClientAPI) -> None:
    assert not client.is_connected
    assert await client.call("echo", 1) == 1
    assert client.is_connected
    await client.disconnect()
    assert not client.is_connected


async def test_a_graph_gives_its_last_level(client: MPREGClientAPI) -> None:
    async with client:
        graph = [
            RPCCommand("a", "echo", [{"user": {"id": 7}}]),
            RPCCommand("b", "echo", ["a.user.id"]),
            RPCCommand("c", "echos", ["a.user", "b"]),
            RPCCommand("left", "echo", [0]),
        ]
        assert await client.request(graph) == {"c": [{"id": 7}, 7]}
        assert await client._client.request(graph) == {"c": [{"id": 7}, 7]}
        by_keyword = [RPCCommand("a", "echo", [1]), RPCCommand("b", "echo", kwargs={"arg": "a"})]
        assert await client.request(by_keyword) == {"b": 1}


async def test_an_enhanced_request_tells_how_it_went(client: MPREGClientAPI) -> None:
    async with client:
        request = RPCRequest(
            cmds=[RPCCommand("a", "echo", (1,)), RPCCommand("b", "echo", ("a",))],
            return_intermediate_results=True,
            include_execution_summary=True,
        )
        response = await client.request_enhanced(request)
        assert response.r == {"b": 1} and response.u == request.u and response.error is None
        assert [level.level_results for level in response.intermediate_results] == [{"a": 1}, {"b": 1}]
        assert response.intermediate_results[1].accumulated_results == {"a": 1, "b": 1}
        summary = response.execution_summary
        assert summary is not None
        assert (summary.total_levels, summary.parallel_commands_executed) == (2, 2)
        assert summary.total_execution_time_ms >= 0


async def test_errors_have_their_classes(client: MPREGClientAPI) -> None:
    async with client:
        with pytest.raises(CommandNotFound) as missing:
            await client.call("nope")
        assert missing.value.code == 1001 and "nope" in str(missing.value)
        assert isinstance(missing.value, (CommandNotFoundException, MPREGException))
        assert missing.value.rpc_error.code == 1001
        for unmatched in ({"function_id": "other"}, {"version_constraint": ">=9"}, {"locs": {"gpu"}}):
            with pytest.raises(CommandNotFound):
                await client.call("echo", 1, **unmatched)  # type: ignore[arg-type]
        with pytest.raises(ExecutionFailed):
            await client.call("echo")
        with pytest.raises(ExecutionFailed):
            await client.call("echo", 1, version_constraint="^1.0")
        with pytest.raises(RpcError):
            await client.request([])
        with pytest.raises(ExecutionFailed):
            await client.request_enhanced(RPCRequest([RPCCommand("a", "echo", ["b"]), RPCCommand("b", "echo", ["a"])]))


async def test_requests_that_cannot_be_sent_harm_nothing(client: MPREGClientAPI) -> None:
    async with client:
        for value in (float("nan"), float("inf"), object(), {1, 2}, "\ud800"):
            with pytest.raises(EncodeError):
                await client.call("echo", value)
        with pytest.raises(MessageTooLarge):
            await client.call("echo", "x" * (20 * 1024 * 1024))
        assert await client.call("echo", 1) == 1


async def test_large_messages_arrive_whole(client: MPREGClientAPI) -> None:
    async with client:
        value = ["ü" * 1000] * 4000
        assert await client.call("echo", value) == value


async def test_a_hundred_calls_at_once(client: MPREGClientAPI) -> None:
    async with client:
        results = await asyncio.gather(*(client.call("echo", number) for number in range(100)))
        assert results == list(range(100))


async def test_raw_messages_come_back_as_they_are(client: MPREGClientAPI) -> None:
    async with client:
        reply = await client._client.send_raw_message({"role": "nonsense"})
        assert reply["error"]["code"] == 1004
        with pytest.raises(ValueError):
            await client.send_raw_message({"role": "rpc", "u": 5})


async def test_discovery_is_typed(client: MPREGClientAPI, server: Server) -> None:
    async with client:
        assert await client.list_peers() == ()
        cluster = await client.cluster_map()
        (node,) = cluster.nodes
        assert cluster.cluster_id == node.cluster_id and "rpc" in node.capabilities
        assert any(str(server.port) in url for url in node.advertised_urls)
        assert node.load is not None and node.load.status == "ok"
        assert (await client.cluster_map_v2(scope="zone", capabilities="rpc")).nodes[0].node_id == node.node_id
        assert (await client.cluster_map_v2(capabilities=["nothing"])).nodes == ()
        page = await client.rpc_list({"limit": 1}, function_name="echo")
        (item,) = page.items
        assert (item.identity.name, item.identity.version, item.spec) == ("echo", "1.0.0", None)
        assert item.summary is not None and item.summary.parameter_count == 1
        described = (await client.rpc_describe(function_name="echo")).items[0]
        assert described.spec is not None and described.spec["parameters"][0]["kind"]
        assert (await client.rpc_report()).total_functions >= 2
        assert (await client.catalog_query(entry_type="nodes")).items[0]["node_id"] == node.node_id
        assert (await client.catalog_watch(namespace="math")).topic == "mpreg.discovery.delta.math"
        status = await client.namespace_status(namespace="math")
        assert status.allowed and status.reason == "policy_disabled"
        assert (await client.namespace_policy_validate(rules=[])).valid
        assert (await client.namespace_policy_export()).rules == ()
        assert (await client.namespace_policy_audit()).generated_at > 1e9


async def test_pages_follow_each_other(client: MPREGClientAPI) -> None:
    async with client:
        names, token = [], None
        while True:
            page = await client.rpc_list(limit=5, **({"page_token": token} if token else {}))
            names += [item.identity.name for item in page.items]
            token = page.next_page_token
            if token is None:
                break
        assert len(names) == len(set(names)) == (await client.rpc_report()).total_functions


async def test_no_server_is_a_connection_error() -> None:
    for url in ("ws://127.0.0.1:9", "tcp://127.0.0.1:9", "http://127.0.0.1", "ws://", "tcp://127.0.0.1:99999"):
        with pytest.raises(ConnectionFailed) as failed:
            await MPREGClientAPI(url).connect()
        assert isinstance(failed.value, ConnectionError)


async def test_a_closed_client_says_so(url: str) -> None:
    client = MPREGClientAPI(url)
    async with client:
        waiting = asyncio.ensure_future(client.send_raw_message({"role": "pubsub-ack", "u": "never answered"}))
        await asyncio.sleep(0.05)
    with pytest.raises(ClientClosed):
        await waiting
