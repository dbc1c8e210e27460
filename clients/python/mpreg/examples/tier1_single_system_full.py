"""One system after the other: ``tier1_single_system_full.py --system {rpc,pubsub,cache,all}``."""

from __future__ import annotations

import argparse
import asyncio
import os
from typing import Awaitable, Callable, Dict

from mpreg import CacheClient, MPREGClientAPI, MPREGPubSubClient, PubSubMessage, RPCCommand
from mpreg.link.message import new_id


async def rpc(client: MPREGClientAPI) -> None:
    """Calls, and a graph of commands."""
    print("echo:", await client.call("echo", "hello"))
    graph = [
        RPCCommand("user", "echo", [{"name": "ada", "id": 7}]),
        RPCCommand("pair", "echos", ["user.name", "user.id"]),
    ]
    print("graph:", await client.request(graph))
    print("functions:", [item.identity.name for item in (await client.rpc_list(limit=3)).items], "...")


async def pubsub(client: MPREGClientAPI) -> None:
    """A message that was published before anybody listened."""
    topic = f"demo.{new_id()}"
    arrived: asyncio.Future[PubSubMessage] = asyncio.get_running_loop().create_future()
    async with MPREGPubSubClient(client) as topics:
        await topics.publish(topic, {"order": 17}, level="strong")
        await topics.subscribe([f"{topic}.#"], arrived.set_result)
        message = await asyncio.wait_for(arrived, 10)
    print("from the backlog:" if message.backlog else "live:", message.topic, message.payload)


async def cache(client: MPREGClientAPI) -> None:
    """Values, a lock, structures, a batch and a namespace."""
    space = f"demo-{new_id()}"
    store = CacheClient(client)
    stored = await store.put((space, "session"), {"user": "ada"}, ttl_seconds=300, level="strong")
    print("put:", stored.value, "durability", stored.durability)
    lock = [await store.test_and_set((space, "lock"), None, owner, ttl_seconds=30) for owner in ("one", "two")]
    print("lock:", ["taken" if result.applied else f"held by {result.current_value}" for result in lock])
    permissions = store.set((space, "permissions"))
    print("set:", await permissions.add("admin", "moderator"), "added,", await permissions.members())
    ranking = store.sorted_set((space, "ranking"))
    await ranking.add({"ada": 12.5, "bob": 7})
    print("top:", await ranking.top(1))
    batch = store.batch(level="strong").put((space, "order"), 17).increment((space, "orders"))
    print("batch:", [result["status"] for result in await batch.run()])
    print("computed:", await store.get_or_compute((space, "page"), lambda: "<html>", ttl_seconds=60))
    print("cleared:", (await store.namespace(space).clear()).count)


SYSTEMS: Dict[str, Callable[[MPREGClientAPI], Awaitable[None]]] = {"rpc": rpc, "pubsub": pubsub, "cache": cache}


async def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--system", choices=[*SYSTEMS, "all"], default="all")
    wanted = parser.parse_args().system
    async with MPREGClientAPI(os.environ.get("MPREG_URL", "ws://127.0.0.1:9001")) as client:
        for name, system in SYSTEMS.items():
            if wanted in (name, "all"):
                print(f"== {name}")
                await system(client)


if __name__ == "__main__":
    asyncio.run(main())
