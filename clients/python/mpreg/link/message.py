"""JSON text of messages, and ids."""

from __future__ import annotations

import itertools
import json
import os
from typing import Any, Dict, Union

from ..errors import EncodeError, MessageTooLarge, ProtocolError

MESSAGE_BYTES_MAX = 20 * 1024 * 1024
"""Longest message in either direction."""

Message = Dict[str, Any]
"""One message: a JSON object."""

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_decode = json.JSONDecoder().decode
_numbers = itertools.count(1)
# Ids must differ between the processes of one fork, too.
_prefix = os.urandom(8).hex()


def _renew_prefix() -> None:
    global _prefix
    _prefix = os.urandom(8).hex()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_prefix)


def new_id() -> str:
    """An id that nobody else has: of a request, a message or a subscription."""
    return f"{_prefix}{next(_numbers):x}"


def encode(message: Message) -> bytes:
    """The text of a message.

    Raises :class:`~mpreg.errors.EncodeError` or :class:`~mpreg.errors.MessageTooLarge`.
    """
    try:
        text = _encode(message).encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise EncodeError(f"not JSON: {error}") from None
    if len(text) > MESSAGE_BYTES_MAX:
        raise MessageTooLarge(f"{len(text)} bytes, a message may have {MESSAGE_BYTES_MAX}")
    return text


def decode(text: Union[str, bytes]) -> Message:
    """Reads a message. Raises :class:`~mpreg.errors.ProtocolError` for anything but a JSON object."""
    try:
        message = _decode(text if isinstance(text, str) else str(text, "utf-8"))
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"the server sent something else than JSON: {error}") from None
    if not isinstance(message, dict):
        raise ProtocolError("the server sent JSON that is no object")
    return message
