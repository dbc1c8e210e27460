"""Client of MPREG node.

::

    import asyncio, mpreg

    async def main():
        async with mpreg.MPREGClientAPI("ws://127.0.0.1:9001") as client:
            print(await client.call("echo", "hello"))
            cache = mpreg.CacheClient(client)
            await cache.put(("users", "ada"), {"admin": True}, level="strong")

    asyncio.run(main())

==================================  ==================================================
:class:`MPREGClientAPI`             calls, command graphs, discovery
:class:`MPREGPubSubClient`          publish and subscribe
:class:`CacheClient`                the whole cache protocol
:class:`Worker`                     serves Python functions
``create_transport_pool``           many connections, several servers
==================================  ==================================================

No request waits for ever: each has a time limit, and a lost connection ends all that are under way.
"""

from .cache import CacheClient, CacheKey
from .client.client_api import MPREGClientAPI
from .client.pool import ClientPool, create_transport_pool
from .client.pubsub_client import MPREGPubSubClient
from .core.model import PubSubMessage, RPCCommand, RPCRequest, RPCResponse
from .errors import (
    CacheConflict,
    CacheError,
    ClientClosed,
    CommandNotFound,
    ConnectionFailed,
    ConnectionLost,
    MPREGError,
    RequestTimeout,
    RpcError,
)
from .link.options import ConnectionOptions
from .worker import Worker

__version__ = "0.1.0"

__all__ = [
    "CacheClient",
    "CacheConflict",
    "CacheError",
    "CacheKey",
    "ClientClosed",
    "ClientPool",
    "CommandNotFound",
    "ConnectionFailed",
    "ConnectionLost",
    "ConnectionOptions",
    "MPREGClientAPI",
    "MPREGError",
    "MPREGPubSubClient",
    "PubSubMessage",
    "RPCCommand",
    "RPCRequest",
    "RPCResponse",
    "RequestTimeout",
    "RpcError",
    "Worker",
    "create_transport_pool",
]
