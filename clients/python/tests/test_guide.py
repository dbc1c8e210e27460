"""Every code block of the client guide runs, as it is printed, against the real server.

``MPREG_GUIDE`` names the file. Only its placeholders are replaced: ``<port>``, host names, and the ``uv run`` of
its commands. The functions that it calls are the user's; a worker serves them here.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
from server import Server

from mpreg import CacheClient, MPREGClientAPI, MPREGPubSubClient, Worker

GUIDE = os.environ.get("MPREG_GUIDE")
PACKAGE = Path(__file__).resolve().parents[1]


def blocks(text: str) -> List[Tuple[str, int, str]]:
    """Language, line and text of each code block."""
    found = re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(match[1], text[: match.start()].count("\n") + 2, match[2]) for match in found]


def pytest_generate_tests(metafunc: Any) -> None:
    """One test a block."""
    if "block" not in metafunc.fixturenames:
        return
    found = blocks(Path(GUIDE).read_text()) if GUIDE else []
    known = {"python", "json", "bash"}
    metafunc.parametrize("block", found, ids=[f"{language}-line-{line}" for language, line, _ in found])
    assert {language for language, _, _ in found} <= known, "a kind of block that nothing here runs"


def test_the_guide_is_there() -> None:
    if not GUIDE:
        pytest.skip("MPREG_GUIDE does not name the client guide")
    assert len(blocks(Path(GUIDE).read_text())) >= 14


def filled_in(code: str, server: Server) -> str:
    """Hosts and ports of the guide become the server's; of several, the first is one where nobody listens."""

    def place(match: "re.Match[str]") -> str:
        gone = match[2].startswith("cache-1")
        return f"{match[1]}://127.0.0.1:{9 if gone else server.port}"

    return re.sub(r"\b(wss?|tcps?)://([\w.-]+):<port>", place, code)


def users_functions(url: str) -> Worker:
    """The functions that the guide calls."""
    worker = Worker(url)

    @worker.function("fibonacci", function_id="math.fibonacci", version="1.4.0")
    def fibonacci(number: int) -> int:
        first, second = 0, 1
        for _ in range(number):
            first, second = second, first + second
        return first

    @worker.function("ml_predict", pure=True)
    def ml_predict(model: str, features: List[float]) -> Dict[str, Any]:
        return {"model": model, "score": sum(features)}

    worker.function("process_data", function_id="pipeline.process_data", version="2.1.0")(lambda data: sorted(data))
    worker.function("analyze")(lambda values: {"largest": values[-1]})
    worker.function("summarize")(lambda analysis: f"largest is {analysis['largest']}")
    return worker


async def run_python(code: str, server: Server) -> Dict[str, Any]:
    """Runs a block, and its ``main`` if it has one; its names afterwards."""
    names: Dict[str, Any] = {"__name__": "guide", "data": [3, 1, 2], "MPREGClientAPI": MPREGClientAPI}
    compiled = compile(filled_in(code, server), "guide", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    outcome = eval(compiled, names)
    if inspect.iscoroutine(outcome):
        await outcome
    if "main" in names:
        await names["main"]()
    return names


async def run_json(code: str, server: Server) -> None:
    request = json.loads(code)
    for scheme in ("ws", "tcp"):
        async with MPREGClientAPI(server.url(scheme)) as client:
            reply = await client._client.send_raw_message(request)
            assert reply["role"] == "cache-response" and reply["u"] == request["u"]
            assert reply["status"] in ("hit", "miss", "conflict"), reply


def run_bash(code: str, server: Server) -> str:
    output = ""
    for command in filter(None, map(str.strip, code.splitlines())):
        words = shlex.split(command)
        assert words[:3] == ["uv", "run", "python"]
        environment = {**os.environ, "MPREG_URL": server.url("ws"), "PYTHONPATH": str(PACKAGE)}
        done = subprocess.run(
            [sys.executable, *words[3:]], cwd=PACKAGE, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        output += done.stdout
    return output


async def test_a_block_of_the_guide(
    block: Tuple[str, int, str], server: Server, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    language, _, code = block
    monkeypatch.setenv("MPREG_URL", server.url("ws"))
    if language == "json":
        await run_json(code, server)
        return
    if language == "bash":
        output = run_bash(code, server)
        assert "== cache" in output and "rpc + cache:" in output
        return
    async with users_functions(server.url("tcp")):
        names = await run_python(code, server)
        printed = capsys.readouterr().out
        if "Dependency chain" in code:
            assert "fib(10) = 55\nfib(10) v1.x = 55\n" in printed
            assert "Prediction: {'model': 'bert-large', 'score': 6.0}" in printed
        if "GlobalCacheManager" in code:
            assert printed == "Cache hit: True\n"
        if "create_transport_pool" in code:
            assert names["result"] == 55
        if "record_cross_system_event" in code:
            assert names["tracking_id"].startswith("rpc-")


async def test_the_chain_of_the_guide(server: Server) -> None:
    """The guide throws the result of its chain away; this is what it is."""
    from mpreg.core.model import RPCCommand

    async with users_functions(server.url("tcp")), MPREGClientAPI(server.url("ws")) as client:
        chain = [
            RPCCommand("step1", "process_data", ([3, 1, 2],), version_constraint=">=2.0.0,<3.0.0"),
            RPCCommand("step2", "analyze", ("step1",)),
            RPCCommand("final", "summarize", ("step2",)),
        ]
        assert await client._client.request(chain) == {"final": "largest is 3"}


async def test_the_invalidation_of_the_guide(server: Server) -> None:
    async with MPREGClientAPI(server.url("ws")) as client, MPREGPubSubClient(client) as pubsub:
        cache = CacheClient(client)
        for namespace in ("ml", "ml.models", "mlops"):
            await cache.put((namespace, "model"), "old")
        await pubsub.publish("cache.invalidation.pattern.ml.*", {"pattern": "ml.*", "reason": "model_updated"})
        left = [await cache.get((namespace, "model")) for namespace in ("ml", "ml.models", "mlops")]
        assert left == [None, None, "old"]
