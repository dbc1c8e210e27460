"""Sending cache requests, and errors of their answers."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any, Dict, FrozenSet, Optional

from ..client.client_api import MPREGClientAPI
from ..errors import CacheConflict, CacheError, CacheTimeout, ConnectionLost, ProtocolError
from ..link.message import Message, new_id
from .options import CacheOptions

_READS = frozenset({"get", "query", "stats"})
_NUMBERED = frozenset({"put", "delete", "atomic", "structure", "batch"})
_READ_NAMESPACES = frozenset({"statistics", "list_keys", "count", "backup"})

GOOD: FrozenSet[str] = frozenset({"hit", "miss", "partial"})
"""Answers that are no errors."""


class Requests:
    """Sends requests for one :class:`~mpreg.cache.CacheClient`.

    ``level`` is the consistency level of requests that name none. With ``retries`` a request that was under
    way when the connection was lost is sent again: reads as they are, writes with a number by which the
    server tells a repetition from a new one.
    """

    def __init__(self, api: MPREGClientAPI, level: Optional[str], retries: bool) -> None:
        self._api = api
        self._level = level
        self._retries = retries
        self._client_id = f"python-{new_id()}"
        self._numbers = itertools.count(1)

    async def ask(
        self,
        operation: str,
        *,
        options: Optional[CacheOptions] = None,
        level: Optional[str] = None,
        more_options: Optional[Dict[str, Any]] = None,
        good: FrozenSet[str] = GOOD,
        timeout: Optional[float] = None,
        **members: Any,
    ) -> Message:
        """Sends one operation; the whole answer.

        Raises :class:`~mpreg.errors.CacheError` (or its subclass) for a status that is not among ``good``,
        otherwise what every request may raise.
        """
        whole = {**(options.to_dict() if options else {}), **(more_options or {})}
        level = level or self._level
        if level is not None:
            whole.setdefault("consistency_level", level)
        message: Message = {"role": "cache-request", "operation": operation, **members}
        if whole:
            message["options"] = whole
        repeatable = self._retries and self._make_repeatable(operation, message)
        reply = await self._send(message, repeatable, timeout)
        if reply.get("status") not in good:
            raise _error(reply)
        return reply

    def _make_repeatable(self, operation: str, message: Message) -> bool:
        """Whether the message may be sent twice; a write gets its number."""
        if operation in _NUMBERED:
            message["client"] = {"id": self._client_id, "seq": next(self._numbers)}
            return True
        namespace = message.get("namespace_operation") or {}
        return operation in _READS or namespace.get("operation_type") in _READ_NAMESPACES

    async def _send(self, message: Message, repeatable: bool, timeout: Optional[float]) -> Message:
        loop = asyncio.get_running_loop()
        limit = self._api._client.options.reply_timeout if timeout is None else timeout
        deadline = loop.time() + limit
        while True:
            left = deadline - loop.time()
            try:
                reply = await self._api.send_raw_message({**message, "u": new_id()}, max(left, 0.001))
            except ConnectionLost as error:
                if not repeatable or not error.sent:
                    raise
                continue
            if reply.get("role") != "cache-response":
                raise ProtocolError(f"an answer of role {reply.get('role')!r} to a cache request: {reply}")
            return reply


def _error(reply: Message) -> CacheError:
    status = reply.get("status")
    kind = {"conflict": CacheConflict, "timeout": CacheTimeout}.get(str(status), CacheError)
    message = str(reply.get("error_message") or status)
    violations = reply.get("constraint_violations")
    if violations:
        message = f"{message}: {'; '.join(violations)}"
    return kind(message, str(reply.get("error_code") or ""), reply)
