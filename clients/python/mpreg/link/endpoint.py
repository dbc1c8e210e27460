"""What a URL means."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from ..errors import ConnectionFailed

PORT_DEFAULT = 9001
_SCHEMES = ("ws", "wss", "tcp", "tcps")


@dataclass(frozen=True)
class Endpoint:
    """A server's address. ``scheme`` is ``ws``, ``wss``, ``tcp`` or ``tcps``."""

    url: str
    scheme: str
    host: str
    port: int

    @property
    def is_websocket(self) -> bool:
        """Whether messages travel as WebSocket frames."""
        return self.scheme in ("ws", "wss")

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS is spoken."""
        return self.scheme in ("wss", "tcps")


def parse(url: str) -> Endpoint:
    """Reads ``scheme://host[:port]``; the port defaults to 9001.

    Raises :class:`~mpreg.errors.ConnectionFailed` for anything else.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConnectionFailed(url, error) from None
    if parts.scheme not in _SCHEMES or not host:
        raise ConnectionFailed(url, "expected ws://, wss://, tcp:// or tcps:// with a host")
    return Endpoint(url, parts.scheme, host, PORT_DEFAULT if port is None else port)
