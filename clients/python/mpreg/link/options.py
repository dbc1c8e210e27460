"""Limits of time of a connection."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Mapping, Optional


@dataclass(frozen=True)
class ConnectionOptions:
    """How a client connects, and how long it waits. All times are in seconds.

    ``headers`` go into the WebSocket upgrade; TCP has no place for them, so there the two
    credentials among them (``Authorization: Bearer`` and ``X-API-Key``) go into an ``auth`` message.
    ``ssl_context`` replaces the system's trust for ``wss`` and ``tcps``.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    ssl_context: Optional[ssl.SSLContext] = None
    connect_timeout: float = 10.0
    call_timeout: float = 35.0
    """Of a call; the server itself gives up after 30 s by default."""
    reply_timeout: float = 10.0
    """Of a cache or pub/sub request, which the server answers within 8 s."""
    reconnect: bool = True
    """Whether a lost connection is opened again, in the background, until the client is closed."""
    reconnect_delay: float = 0.05
    """Before the first attempt; doubles with each."""
    reconnect_delay_max: float = 5.0
    ping_interval: float = 20.0
    """A silent connection is asked for a sign of life this often; 0 turns that off."""
    ping_timeout: float = 20.0
    """A connection that gives none for this long is lost."""
