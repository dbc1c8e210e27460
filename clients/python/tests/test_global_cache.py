"""The guide's cache manager and monitor."""

from __future__ import annotations

import pytest

from mpreg import CacheClient, MPREGClientAPI
from mpreg.core.global_cache import (
    CacheLevel,
    CacheMetadata,
    CacheOptions,
    GlobalCacheConfiguration,
    GlobalCacheKey,
    GlobalCacheManager,
)
from mpreg.core.monitoring.unified_monitoring import EventType, SystemType, create_unified_system_monitor
from mpreg.errors import ClientClosed, ConnectionFailed
from mpreg.fabric.cache_federation import FabricCacheProtocol
from mpreg.fabric.cache_transport import InProcessCacheTransport


def test_equal_data_have_equal_keys() -> None:
    key = GlobalCacheKey.from_data("ns", {"b": [1, None], "a": "ü"})
    assert key == GlobalCacheKey.from_data("ns", {"a": "ü", "b": [1, None]})
    assert key != GlobalCacheKey.from_data("ns", {"a": "ü", "b": [1.5, None]})
    # The first half of SHA-256 over {"a":"ü","b":[1,null]}: every client computes the same.
    assert (key.identifier, key.version) == ("5ddd266d13a5e8cdcca4c2007bb2032c", "v1.0.0")
    with pytest.raises(ValueError):
        GlobalCacheKey.from_data("ns", float("nan"))


async def test_a_manager_reads_what_it_wrote(url: str, name: str) -> None:
    transport = InProcessCacheTransport(url)
    managers = [
        GlobalCacheManager(GlobalCacheConfiguration(), FabricCacheProtocol(node, transport)) for node in ("a", "b")
    ]
    key = GlobalCacheKey.from_data(name, {"session_id": 1})
    async with managers[0] as first, managers[1] as second:
        stored = await first.put(key, {"user": 1}, CacheMetadata(ttl_seconds=60))
        assert stored.success and stored.cache_level is CacheLevel.L1 and stored.entry is not None
        found = await second.get(key)
        assert found.success and found.entry is not None and found.entry.value == {"user": 1}
        refused = await first.put(key, None)
        assert not refused.success and "value" in (refused.error_message or "")
        assert (await first.delete(key)).success and not (await first.delete(key)).success
        assert not (await second.get(key)).success
        await first.put(key, 1)
        assert (await second.invalidate(f"{name}:*")).success and not (await second.invalidate(f"{name}:*")).success
        assert (await first.get_statistics())["operation_stats"]
    assert transport._client is None, "the last one out disconnects"


async def test_tiers_that_are_off_are_not_used(url: str, name: str) -> None:
    transport = InProcessCacheTransport(url)
    memory = GlobalCacheConfiguration(enable_l2_persistent=False, enable_l4_federation=True)
    async with GlobalCacheManager(memory, FabricCacheProtocol("a", transport)) as cache:
        for options in (None, CacheOptions(cache_levels=frozenset({CacheLevel.L2}))):
            stored = await cache.put(GlobalCacheKey(name, "a"), 1, options=options)
            assert stored.entry is not None and stored.entry.durability == "volatile"
    async with GlobalCacheManager(None, FabricCacheProtocol("a", transport)) as cache:
        stored = await cache.put(GlobalCacheKey(name, "b"), 1)
        assert stored.entry is not None and stored.entry.durability == "eventual"
    async with MPREGClientAPI(url) as client:
        assert await CacheClient(client).get((name, "a")) == 1


async def test_the_server_comes_from_the_environment(url: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPREG_URL", url)
    async with GlobalCacheManager() as cache:
        assert (await cache.put(GlobalCacheKey(name, "a"), 1)).success
    monkeypatch.setenv("MPREG_URL", "tcp://127.0.0.1:9")
    with pytest.raises(ConnectionFailed):
        await GlobalCacheManager().get(GlobalCacheKey(name, "a"))


async def test_the_monitor_keeps_what_belongs_together() -> None:
    monitor = create_unified_system_monitor(events_kept=3)
    with pytest.raises(ClientClosed):
        await monitor.record_cross_system_event("c", EventType.REQUEST_START, SystemType.RPC)
    async with monitor:
        for correlation in ("old", "c", "other", "c"):
            tracking = await monitor.record_cross_system_event(
                correlation_id=correlation,
                event_type=EventType.REQUEST_COMPLETE,
                source_system=SystemType.CACHE,
                latency_ms=4.0,
                success=correlation != "other",
            )
        assert tracking.startswith("cache-")
        given = await monitor.record_cross_system_event("c", EventType.ERROR, SystemType.RPC, tracking_id="mine")
        assert given == "mine"
    assert monitor.events("c")[-1].tracking_id == "mine"
    assert [event.correlation_id for event in monitor.events()] == ["other", "c", "c"]
    summary = monitor.summary()[SystemType.CACHE]
    assert (summary.events, summary.failures, summary.average_latency_ms) == (2, 1, 4.0)
