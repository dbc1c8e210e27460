"""JSON objects as dataclasses."""

from __future__ import annotations

import collections.abc
import dataclasses
from typing import Any, Dict, Mapping, Tuple, Type, TypeVar, Union, get_args, get_origin, get_type_hints

from ..errors import ProtocolError

T = TypeVar("T")

_hints_of: Dict[Type[Any], Dict[str, Any]] = {}


def decode(cls: Type[T], value: Any) -> T:
    """Reads a JSON object as the dataclass ``cls``, by the types of its members.

    Members that ``cls`` does not have are left out; missing and null ones get their defaults. Understands
    dataclasses, ``Optional``, ``Tuple[X, ...]`` and ``Mapping``; everything else stays as it is.
    Raises :class:`~mpreg.errors.ProtocolError` when the shape does not fit.
    """
    if not isinstance(value, dict):
        raise ProtocolError(f"expected an object for {cls.__name__}, got {type(value).__name__}")
    members = {name: _member(of, value[name]) for name, of in _hints(cls).items() if value.get(name) is not None}
    try:
        return cls(**members)
    except TypeError as error:
        raise ProtocolError(f"{cls.__name__}: {error}") from None


def _hints(cls: Type[Any]) -> Dict[str, Any]:
    hints = _hints_of.get(cls)
    if hints is None:
        types = get_type_hints(cls)
        hints = _hints_of[cls] = {field.name: types[field.name] for field in dataclasses.fields(cls)}
    return hints


def _member(of: Any, value: Any) -> Any:
    if dataclasses.is_dataclass(of) and isinstance(of, type):
        return decode(of, value)
    origin, arguments = get_origin(of), get_args(of)
    if origin is Union:
        return _member(arguments[0], value)
    if origin in (tuple, Tuple):
        if not isinstance(value, list):
            raise ProtocolError(f"expected an array, got {type(value).__name__}")
        return tuple(_member(arguments[0], element) for element in value)
    if origin in (collections.abc.Mapping, Mapping) and not isinstance(value, dict):
        raise ProtocolError(f"expected an object, got {type(value).__name__}")
    return value
