"""The cache client, all of it, over both transports."""

from __future__ import annotations

import asyncio

import pytest
from server import Server, until

from mpreg import CacheClient, CacheConflict, CacheError, CacheKey, MPREGClientAPI
from mpreg.cache import CacheLevel, CacheMetadata, CacheOptions


async def test_values_come_and_go(client: MPREGClientAPI, name: str) -> None:
    async with client:
        cache = CacheClient(client)
        key = CacheKey(name, "a")
        assert await cache.get(key) is None and await cache.get(key, 5) == 5
        stored = await cache.put(key, {"b": [1, 2.5, None]}, level="strong")
        assert (stored.durability, stored.value, stored.key.version) == ("strong", {"b": [1, 2.5, None]}, "v1.0.0")
        assert await cache.get((name, "a")) == {"b": [1, 2.5, None]}
        assert await cache.get((name, "a", "v1.0.0"), level="strong") == {"b": [1, 2.5, None]}
        assert await cache.get((name, "a", "v2")) is None
        entry = await cache.entry(key)
        assert entry is not None
        assert entry.access_count >= 1 and entry.size_bytes > 0 and entry.creation_time > 1e9 and not entry.stale
        assert await cache.delete(key) is True
        assert await cache.delete(key) is False


async def test_options_and_metadata_reach_the_server(client: MPREGClientAPI, name: str) -> None:
    async with client:
        cache = CacheClient(client, level="strong")
        assert (await cache.put((name, "a"), 1)).durability == "strong"
        assert (await cache.put((name, "a"), 1, level="eventual")).durability == "eventual"
        memory = CacheOptions(cache_levels=frozenset({CacheLevel.L1}))
        assert (await cache.put((name, "a"), 2, options=memory)).durability == "volatile"
        base = CacheKey(name, "base")
        await cache.put(base, 1)
        metadata = CacheMetadata(ttl_seconds=60, computation_cost_ms=5, dependencies=[base, f"{name}:other"])
        stored = await cache.put((name, "derived"), 2, metadata=metadata)
        assert (stored.ttl_seconds, stored.computation_cost_ms) == (60, 5)
        assert stored.dependencies == (str(base), f"{name}:other:v1.0.0")
        assert await cache.delete(base, cascade=True)
        assert await cache.get((name, "derived")) is None


async def test_entries_expire(client: MPREGClientAPI, name: str) -> None:
    async with client:
        cache = CacheClient(client)
        await cache.put((name, "short"), 1, ttl_seconds=0.05)
        await cache.put((name, "longer"), 1, ttl_seconds=0.05)
        assert await cache.extend_ttl((name, "longer"), 60)
        assert not await cache.extend_ttl((name, "missing"), 60)
        await asyncio.sleep(0.1)
        assert await cache.get((name, "short")) is None
        assert await cache.get((name, "longer")) == 1


async def test_refusals_are_typed(client: MPREGClientAPI, name: str) -> None:
    async with client:
        cache = CacheClient(client)
        with pytest.raises(CacheError) as refused:
            await cache.put((name, "a"), None)
        assert refused.value.code == "CACHE_BAD_REQUEST"
        with pytest.raises(CacheError):
            await cache.put((name, ""), 1)
        with pytest.raises(CacheError):
            await cache.put((name, "a"), 1, ttl_seconds=-1)
        at_least = {"constraint_type": "min_value", "value": 0, "error_message": "too little"}
        with pytest.raises(CacheError, match="too little") as broken:
            await cache.put((name, "a"), -5, constraints=[at_least])
        assert broken.value.code == "CACHE_CONSTRAINT"
        with pytest.raises(CacheError):
            await cache.invalidate("*")
        assert await cache.get((name, "a")) is None


async def test_invalidate_query_and_stats(client: MPREGClientAPI, name: str) -> None:
    async with client:
        cache = CacheClient(client)
        for identifier in ("a1", "a2", "b1"):
            await cache.put(CacheKey(name, identifier, tags=(f"tag-{name}",) if identifier == "b1" else ()), 1)
        assert sorted(await cache.query(name, "a*")) == [f"{name}:a1:v1.0.0", f"{name}:a2:v1.0.0"]
        assert await cache.invalidate(f"{name}:a*", reason="test") == 2
        assert await cache.invalidate(tags=[f"tag-{name}"]) == 1
        assert await cache.invalidate(f"{name}.*") == 0
        assert (await cache.stats())["operation_stats"]["puts"] >= 3


async def test_atomics(client: MPREGClientAPI, name: str) -> None:
    async with client:
        cache = CacheClient(client)
        lock = (name, "lock")
        assert (await cache.test_and_set(lock, None, {"owner": 1}, ttl_seconds=60)).applied
        taken = await cache.test_and_set(lock, None, {"owner": 2})
        assert not taken.applied and taken.current_value == {"owner": 1} and taken.error_message
        assert (await cache.compare_and_swap(lock, {"owner": 1}, {"owner": 2})).applied
        assert (await cache.increment((name, "n"), 5, initial=10)).new_value == 15
        assert (await cache.decrement((name, "n"))).new_value == 14
        assert not (await cache.increment((name, "none"), create_if_missing=False)).applied
        assert not (await cache.increment((name, "n"), conditions={"value": {"$gt": 100}})).applied
        assert (await cache.append((name, "text"), "b")).new_value == "b"
        assert (await cache.prepend((name, "text"), "a")).new_value == "ab"
        with pytest.raises(CacheError) as wrong:
            await cache.increment((name, "text"))
        assert wrong.value.code == "CACHE_WRONG_TYPE"


async def test_one_of_many_wins_a_lock(client: MPREGClientAPI, name: str) -> None:
    async with client:
        cache = CacheClient(client)
        tries = [cache.test_and_set((name, "lock"), None, owner) for owner in range(50)]
        assert sum(result.applied for result in await asyncio.gather(*tries)) == 1


async def test_structures(client: MPREGClientAPI, name: str) -> None:
    async with client:
        cache = CacheClient(client)
        tags, others = cache.set((name, "set")), cache.set((name, "others"))
        assert await tags.size() == 0 and await tags.members() == []
        assert await tags.add("x", {"y": 1}, "x") == 2
        assert await tags.contains("x", {"y": 1}) and not await tags.contains("x", "z")
        await others.add("x", "z")
        assert await tags.union(others.key) == ["x", {"y": 1}, "z"]
        assert await tags.intersection(others.key) == ["x"]
        assert await tags.difference((name, "others")) == [{"y": 1}]
        assert await tags.remove("x", "nothing") == 1 and await tags.size() == 1
        assert await cache.get((name, "set")) == [{"y": 1}]
        await tags.clear()
        assert await tags.members() == []

        numbers = cache.list((name, "list"))
        assert await numbers.append(1, 2, 3) == 2
        await numbers.prepend(-1, 0)
        await numbers.insert(1, 9)
        assert await numbers.slice() == [-1, 9, 0, 1, 2, 3] and await numbers.slice(-2) == [2, 3]
        assert await numbers.get(-1) == 3 and await numbers.slice(1, 3) == [9, 0]
        assert (await numbers.pop_front(), await numbers.pop_back()) == (-1, 3)
        assert await numbers.remove(9) and not await numbers.remove(99)
        assert await numbers.size() == 3
        with pytest.raises(CacheError):
            await numbers.get(10)

        user = cache.map((name, "map"))
        assert await user.set({"name": "ada", "address.city": "London"}) == 2
        assert await user.get("name", "address.city", "none") == {"name": "ada", "address.city": "London"}
        assert await cache.get((name, "map")) == {"name": "ada", "address": {"city": "London"}}
        assert await user.increment("visits") == 1 and await user.increment("visits", 2) == 3
        assert await user.contains("visits") and await user.remove("visits", "none") == 1
        assert await user.keys() == ["name", "address"] and await user.size() == 2
        assert await user.values() == ["ada", {"city": "London"}]
        assert await user.items() == [("name", "ada"), ("address", {"city": "London"})]
        assert await cache.map((name, "no map")).get("a") == {}


async def test_more_structures(client: MPREGClientAPI, name: str) -> None:
    async with client:
        cache = CacheClient(client)
        ranking = cache.sorted_set((name, "ranking"))
        assert await ranking.add({"ada": 3, "bob": 1.5, "eve": 2}) == 3
        assert await ranking.add([("bob", 4)]) == 0
        assert await ranking.top(2) == [("bob", 4), ("ada", 3)]
        assert [member.value for member in await ranking.bottom(1)] == ["eve"]
        assert await ranking.range_by_score(3) == [("ada", 3), ("bob", 4)]
        assert await ranking.range_by_score(highest=2) == [("eve", 2)]
        assert await ranking.range_by_rank(1, 2) == [("ada", 3)]
        assert (await ranking.rank("bob"), await ranking.rank("none")) == (2, None)
        assert (await ranking.score("eve"), await ranking.score("none")) == (2, None)
        assert await ranking.remove("eve") and await ranking.size() == 2
        assert (await ranking.pop_min(), await ranking.pop_max()) == (("ada", 3), ("bob", 4))
        assert await ranking.pop_min() is None and await ranking.pop_max() is None

        visits = cache.counter((name, "visits"))
        assert await visits.get() is None
        assert await visits.increment(5) == 5 and await visits.decrement() == 4
        await visits.set(7)
        assert await visits.get() == 7
        await visits.clear()
        assert await visits.get() == 0

        jobs = cache.queue((name, "jobs"))
        await jobs.enqueue("a", "b")
        assert await jobs.peek() == "a" and await jobs.dequeue() == "a" and await jobs.size() == 1
        assert await jobs.dequeue() == "b" and await jobs.dequeue() is None

        plates = cache.stack((name, "plates"))
        await plates.push("a", "b")
        assert await plates.peek() == "b" and await plates.pop() == "b" and await plates.pop() == "a"
        assert await plates.pop() is None and await plates.size() == 0
        with pytest.raises(CacheError) as wrong:
            await cache.set((name, "visits")).add(1)
        assert wrong.value.code == "CACHE_WRONG_TYPE"


async def test_namespaces(client: MPREGClientAPI, name: str) -> None:
    async with client:
        cache = CacheClient(client)
        space = cache.namespace(name)
        for number in range(10):
            await cache.put((name, f"k{number}"), number)
        assert [key.identifier async for key in space.keys("k?x")] == []
        assert [key.identifier async for key in space.keys()] == [f"k{number}" for number in range(10)]
        assert await space.count("k*") == 10 and (await space.statistics())["entry_count"] == 10
        assert (await space.clear("k*", dry_run=True)).count == 10
        whole = await space.backup()
        first = await space.backup(limit=4)
        packed = await space.backup(compression=True)
        assert (whole.count, whole.next_offset, first.count, first.next_offset) == (10, None, 4, 4)
        cleared = await space.clear(max_entries=3)
        assert (cleared.count, cleared.has_more) == (3, True)
        assert (await space.restore(first, "skip_existing")).restored == 3
        assert (await space.clear()).count == 10
        assert (await space.restore(packed)).restored == 10
        assert await cache.get((name, "k7")) == 7
        matching = await space.clear(conditions={"value": {"$gte": 5}})
        assert matching.count == 5


async def test_listings_go_on_behind_their_first_page(
    client: MPREGClientAPI, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mpreg.cache.namespace.KEYS_AT_ONCE", 3)
    async with client:
        cache = CacheClient(client)
        for number in range(8):
            await cache.put((name, f"k{number}"), number)
        assert [key.identifier async for key in cache.namespace(name).keys()] == [f"k{n}" for n in range(8)]


async def test_a_batch_is_one_atom(client: MPREGClientAPI, name: str) -> None:
    async with client:
        cache = CacheClient(client)
        await cache.put((name, "stock"), 3)
        take = {"value": {"$gte": 2}}
        batch = cache.batch(level="strong").put((name, "order"), {"sku": "x"}, ttl_seconds=60)
        batch.increment((name, "stock"), -2, conditions=take).structure((name, "open"), "set", "add", values=["17"])
        results = await batch.get((name, "stock")).delete((name, "none")).run()
        assert [result["status"] for result in results] == ["hit", "hit", "hit", "hit", "miss"]
        assert results[3]["entry"]["value"] == 1
        again = cache.batch().put((name, "order"), "changed").increment((name, "stock"), -2, conditions=take)
        with pytest.raises(CacheConflict) as conflict:
            await again.run()
        assert conflict.value.reply["batch_result"]["failed_index"] == 1
        assert await cache.get((name, "order")) == {"sku": "x"}


async def test_many_readers_compute_once(client: MPREGClientAPI, name: str) -> None:
    async with client:
        cache = CacheClient(client)
        computed = 0

        async def compute() -> str:
            nonlocal computed
            computed += 1
            await asyncio.sleep(0.05)
            return "page"

        reads = [cache.get_or_compute((name, "page"), compute, ttl_seconds=60) for _ in range(20)]
        assert await asyncio.gather(*reads) == ["page"] * 20 and computed == 1
        assert await cache.get_or_compute((name, "page"), compute) == "page" and computed == 1
        assert await cache.get_or_compute((name, "plain"), lambda: 5) == 5


async def test_a_failed_computation_frees_the_lease(client: MPREGClientAPI, name: str) -> None:
    async with client:
        cache = CacheClient(client)

        def fail() -> None:
            raise ZeroDivisionError("no value")

        with pytest.raises(ZeroDivisionError):
            await cache.get_or_compute((name, "a"), fail, lease_ms=60_000)
        assert await asyncio.wait_for(cache.get_or_compute((name, "a"), lambda: 1), 2) == 1
        stale = CacheMetadata(ttl_seconds=0.05, stale_if_error_seconds=60)
        assert await cache.get_or_compute((name, "b"), lambda: "old", metadata=stale) == "old"
        await asyncio.sleep(0.1)
        assert await cache.get_or_compute((name, "b"), fail) == "old"
        await cache.put_negative((name, "nobody"), 60)
        assert await cache.get_or_compute((name, "nobody"), fail) is None


async def test_a_volatile_entry_does_not_outlive_the_server(own_server: Server) -> None:
    async with MPREGClientAPI(own_server.url("tcp")) as client:
        cache = CacheClient(client)
        await cache.put(("a", "kept"), 1, level="strong")
        await cache.put(("a", "lost"), 1, options=CacheOptions(cache_levels=frozenset({CacheLevel.L1})))
        own_server.kill()
        await until(lambda: not client.is_connected)
        own_server.start()
        assert await cache.get(("a", "kept")) == 1
        assert await cache.get(("a", "lost")) is None
