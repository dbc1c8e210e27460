"""Systems together: a worker whose results are cached by the server, and a cache that topics invalidate."""

from __future__ import annotations

import asyncio
import os

from mpreg import CacheClient, MPREGClientAPI, MPREGPubSubClient, Worker
from mpreg.link.message import new_id

URL = os.environ.get("MPREG_URL", "ws://127.0.0.1:9001")


async def cached_results(client: MPREGClientAPI) -> None:
    """RPC and cache: a pure function runs once for equal arguments."""
    worker = Worker(URL)
    name = f"demo.{new_id()}.fibonacci"
    runs = 0

    @worker.function(name, pure=True, ttl_seconds=60)
    def fibonacci(number: int) -> int:
        """The n-th Fibonacci number."""
        nonlocal runs
        runs += 1
        first, second = 0, 1
        for _ in range(number):
            first, second = second, first + second
        return first

    async with worker:
        results = [await client.call(name, 50) for _ in range(3)]
    print("rpc + cache:", results, "run", runs, "time" if runs == 1 else "times")


async def invalidation(client: MPREGClientAPI) -> None:
    """Pub/sub and cache: a message removes entries."""
    space = f"demo-{new_id()}"
    cache = CacheClient(client)
    await cache.put((space, "model"), "v1")
    async with MPREGPubSubClient(client) as pubsub:
        await pubsub.publish("cache.invalidation.pattern", {"pattern": f"{space}.*", "reason": "model_updated"})
        for _ in range(100):
            value = await cache.get((space, "model"))
            if value is None:
                break
            await asyncio.sleep(0.02)
    print("pub/sub + cache:", "invalidated" if value is None else f"still {value}")


async def main() -> None:
    """Runs both."""
    async with MPREGClientAPI(URL) as client:
        await cached_results(client)
        await invalidation(client)


if __name__ == "__main__":
    asyncio.run(main())
