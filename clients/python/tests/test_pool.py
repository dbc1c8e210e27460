"""The pool lends each client to one borrower, and replaces what is broken or old."""

from __future__ import annotations

import asyncio

import pytest
from server import Server, until

from mpreg import ClientPool, ConnectionFailed, RequestTimeout, create_transport_pool
from mpreg.errors import ClientClosed


async def test_clients_are_used_again(url: str) -> None:
    async with create_transport_pool(urls=[url], pool_size=2, max_lifetime_seconds=3600) as pool:
        async with pool.get_client() as first:
            assert await first.call("echo", 1) == 1
        async with pool.get_client() as second, pool.get_client() as third:
            assert second is first and third is not first


async def test_more_borrowers_than_places_wait(url: str) -> None:
    async with ClientPool([url], pool_size=3) as pool:
        most = lent = 0

        async def borrow(number: int) -> int:
            nonlocal most, lent
            async with pool.get_client() as client:
                lent += 1
                most = max(most, lent)
                result: int = await client.call("echo", number)
                lent -= 1
                return result

        assert await asyncio.gather(*(borrow(number) for number in range(20))) == list(range(20))
        assert most == 3


async def test_waiting_for_a_place_ends(url: str) -> None:
    pool = ClientPool([url], pool_size=1, acquire_timeout=0.05)
    async with pool.get_client():
        with pytest.raises(RequestTimeout):
            async with pool.get_client():
                pass
        patient = asyncio.ensure_future(pool.get_client().__aenter__())
        await asyncio.sleep(0.01)
        await pool.close()
        with pytest.raises(ClientClosed):
            await patient
    with pytest.raises(ClientClosed):
        async with pool.get_client():
            pass


async def test_a_borrower_that_gives_up_leaves_its_place(url: str) -> None:
    async with ClientPool([url], pool_size=1) as pool:
        async with pool.get_client():
            waiting = [asyncio.ensure_future(pool.get_client().__aenter__()) for _ in range(3)]
            await asyncio.sleep(0.01)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        async with pool.get_client() as client:
            assert await client.call("echo", 1) == 1


async def test_old_clients_are_replaced(url: str) -> None:
    async with ClientPool([url], max_lifetime_seconds=0.05) as pool:
        async with pool.get_client() as first:
            pass
        await asyncio.sleep(0.06)
        async with pool.get_client() as second:
            assert second is not first and not first.is_connected


async def test_servers_that_are_away_are_passed_over(own_server: Server) -> None:
    gone = "tcp://127.0.0.1:9"
    async with ClientPool([gone, own_server.url("ws")]) as pool:
        async with pool.get_client() as client:
            assert await client.call("echo", 1) == 1
            own_server.kill()
            await until(lambda: not client.is_connected)
        with pytest.raises(ConnectionFailed):
            async with pool.get_client():
                pass
        own_server.start()
        async with pool.get_client() as client:
            assert await client.call("echo", 1) == 1


def test_a_pool_needs_urls_and_places() -> None:
    for urls, size in (([], 1), (["ws://127.0.0.1:1"], 0)):
        with pytest.raises(ValueError):
            ClientPool(urls, pool_size=size)
