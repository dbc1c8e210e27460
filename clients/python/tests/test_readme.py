"""The README's programs run as they are printed, but for the server's address."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from server import Server

from mpreg import CommandNotFound, MPREGClientAPI

PACKAGE = Path(__file__).resolve().parents[1]
FIRST, WORKER = re.findall(r"^```python\n(.*?)^```$", (PACKAGE / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def start(program: str, server: Server) -> "subprocess.Popen[str]":
    code = program.replace("127.0.0.1:9001", f"127.0.0.1:{server.port}")
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)


def test_the_first_program(server: Server) -> None:
    output, _ = start(FIRST, server).communicate(timeout=30)
    assert output.splitlines() == ["hello", "{'pair': ['ada', 7]}", "orders.new {'id': 7}"]


async def test_the_worker_serves_until_it_is_told_to_stop(server: Server) -> None:
    worker = start(WORKER, server)
    async with MPREGClientAPI(server.url("ws")) as client:
        for _ in range(200):
            try:
                assert await client.call("stats.mean", [1, 2.5]) == 1.75
                break
            except CommandNotFound:
                await asyncio.sleep(0.05)
        else:
            pytest.fail("the worker did not come")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(10) == 0
        assert (await client.rpc_list(function_name="stats.mean")).items == ()
