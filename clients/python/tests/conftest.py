"""The real server, and tests that are coroutines."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from typing import Any, Iterator

import pytest
from server import Server, binary

from mpreg import MPREGClientAPI

TEST_SECONDS = 60


def pytest_pyfunc_call(pyfuncitem: Any) -> Any:
    """Runs a test that is a coroutine on a loop of its own; one that hangs fails."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), TEST_SECONDS))
    return True


@pytest.fixture(scope="session")
def server(tmp_path_factory: Any) -> Iterator[Server]:
    """A server that all tests share; they keep apart by names."""
    with Server(binary(), tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server of one test, which may kill it."""
    with Server(binary(), tmp_path / "data") as running:
        yield running


@pytest.fixture(params=["ws", "tcp"])
def url(request: Any, server: Server) -> str:
    """The shared server, over each transport."""
    return server.url(request.param)


@pytest.fixture
def name(request: Any) -> str:
    """A name that no other test uses."""
    return "".join(letter if letter.isalnum() else "-" for letter in request.node.name)


@pytest.fixture
def client(url: str) -> MPREGClientAPI:
    """A client that is not connected yet."""
    return MPREGClientAPI(url)
