"""Every error this package raises. All derive from :class:`MPREGError`.

======================  ==========================================================================
what to do              errors
======================  ==========================================================================
connect elsewhere       :class:`ConnectionFailed`
retry, maybe            :class:`ConnectionLost` (``sent`` says whether it may have been carried
                        out), :class:`RequestTimeout`, :class:`Unavailable`, :class:`RateLimited`
mend the request        :class:`EncodeError`, :class:`MessageTooLarge`, :class:`RpcError`,
                        :class:`CacheError`, :class:`PubSubError`
mend the program        :class:`ClientClosed`, :class:`ProtocolError`
======================  ==========================================================================

Errors of the connection are also ``ConnectionError``; :class:`RequestTimeout` is also the built-in
``TimeoutError`` (before Python 3.11, ``asyncio.TimeoutError`` is another class).
"""

from __future__ import annotations

from typing import Any, Mapping, Optional


class MPREGError(Exception):
    """Base of all errors of this package."""


class ConnectionFailed(MPREGError, ConnectionError):
    """No connection could be made. ``status`` is the HTTP status of a refused upgrade, such as 401."""

    def __init__(self, url: str, reason: object, status: Optional[int] = None) -> None:
        super().__init__(f"cannot connect to {url}: {reason}")
        self.url = url
        self.status = status


class ConnectionLost(MPREGError, ConnectionError):
    """The connection ended before the answer came.

    ``sent`` is true when the request was on its way, so that it may have been carried out.
    """

    def __init__(self, reason: object, sent: bool) -> None:
        outcome = "whether the request was carried out is unknown" if sent else "the request was not sent"
        super().__init__(f"connection lost ({reason}); {outcome}")
        self.sent = sent


class ClientClosed(MPREGError, ConnectionError):
    """The client was closed, or never connected."""


class RequestTimeout(MPREGError, TimeoutError):
    """No answer came within ``seconds``. Whether the request was carried out is unknown."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer within {seconds:g} s; whether the request was carried out is unknown")
        self.seconds = seconds


class EncodeError(MPREGError, ValueError):
    """The request cannot be written as JSON: an unknown type, NaN, infinity, or half a surrogate pair."""


class MessageTooLarge(MPREGError, ValueError):
    """The request is longer than a message may be (20 MiB)."""


class ProtocolError(MPREGError):
    """The server sent something that the protocol does not allow."""


class RpcError(MPREGError):
    """The server answered a call with an error.

    ``code`` is the protocol's number, ``message`` its text, ``details`` any JSON value, and ``kind``
    the class of what went wrong (``"ValueError"``) where the server names one.
    """

    def __init__(self, code: int, message: str, details: Any = None, kind: Optional[str] = None) -> None:
        super().__init__(f"{code} {message}" + (f": {details}" if details else ""))
        self.code = code
        self.message = message
        self.details = details
        self.kind = kind

    @property
    def rpc_error(self) -> "RpcError":
        """The error itself; upstream's exception carried it in a member of this name."""
        return self

    @staticmethod
    def of(error: Mapping[str, Any]) -> "RpcError":
        """The fitting subclass for the ``error`` object of a reply."""
        code = int(error.get("code", -1))
        message = str(error.get("message", ""))
        return _BY_CODE.get(code, RpcError)(code, message, error.get("details"), error.get("type"))


class CommandNotFound(RpcError):
    """1001: no such function, version, function id or resource; or nobody is left who serves it."""


class ExecutionFailed(RpcError):
    """1003: the function failed, or the command graph is wrong. ``kind`` is the class of the failure."""


class ExecutionTimeout(RpcError):
    """1004: the server gave the call up."""


class Unauthenticated(RpcError):
    """401: credentials are missing or wrong."""


class AccessDenied(RpcError):
    """403: the credentials do not allow this."""


class RateLimited(RpcError):
    """429: too many requests."""


class Unavailable(RpcError):
    """503: the server is overloaded or stops."""


_BY_CODE = {
    401: Unauthenticated,
    403: AccessDenied,
    429: RateLimited,
    503: Unavailable,
    1001: CommandNotFound,
    1003: ExecutionFailed,
    1004: ExecutionTimeout,
}


class PubSubError(MPREGError):
    """The server refused to publish, subscribe, unsubscribe or commit."""


class CacheError(MPREGError):
    """The server answered a cache request with ``error``, ``timeout`` or ``conflict``.

    ``code`` is the server's word (``"CACHE_WRONG_TYPE"``) or empty, ``reply`` the whole answer.
    """

    def __init__(self, message: str, code: str, reply: Mapping[str, Any]) -> None:
        super().__init__(f"{message} ({code})" if code else message)
        self.message = message
        self.code = code
        self.reply = reply


class CacheConflict(CacheError):
    """A condition did not hold; nothing was changed."""


class CacheTimeout(CacheError):
    """``options.timeout_ms`` went by. Whether a write was applied is unknown."""
