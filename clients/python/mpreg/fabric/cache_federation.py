"""Who speaks in the name of a cache."""

from __future__ import annotations

from typing import Optional

from .cache_transport import InProcessCacheTransport


class FabricCacheProtocol:
    """A node's name together with the transport it uses, as upstream's class of this name takes them.

    Replication is the server's affair: the name says who wrote an entry (``created_by``).
    """

    def __init__(self, node_id: str, transport: Optional[InProcessCacheTransport] = None) -> None:
        self.node_id = node_id
        self.transport = transport or InProcessCacheTransport()
