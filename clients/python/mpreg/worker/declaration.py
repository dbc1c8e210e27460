"""What a Python function tells about itself."""

from __future__ import annotations

import collections.abc
import inspect
import json
import typing
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Union

from ..cache.key import CacheKey

_KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional_only",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional_or_keyword",
    inspect.Parameter.VAR_POSITIONAL: "var_positional",
    inspect.Parameter.KEYWORD_ONLY: "keyword_only",
    inspect.Parameter.VAR_KEYWORD: "var_keyword",
}
_NAMES = {int: "integer", float: "number", str: "string", bool: "boolean", None: "null", type(None): "null", Any: "any"}
_ARRAYS = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Set)
_OBJECTS = (dict, collections.abc.Mapping)


@dataclass(frozen=True)
class Promises:
    """What the server may rely on, and what callers may search by; see :meth:`Worker.function`."""

    function_id: Optional[str] = None
    version: str = "1.0.0"
    namespace: Optional[str] = None
    scope: Optional[str] = None
    resources: Sequence[str] = ()
    tags: Sequence[str] = ()
    idempotent: bool = False
    pure: bool = False
    ttl_seconds: Optional[float] = None
    dependencies: Sequence[Union[CacheKey, str]] = ()
    examples: Sequence[Mapping[str, Any]] = ()


def declare(name: str, function: Callable[..., Any], promises: Promises) -> Dict[str, Any]:
    """The declaration of ``function`` for an ``rpc-register``: types and documentation are its own."""
    hints = _hints(function)
    declaration: Dict[str, Any] = {
        "name": name,
        "version": promises.version,
        "doc": inspect.getdoc(function) or "",
        "parameters": _parameters(function, hints),
        "returns": type_name(hints.get("return", Any)),
        "resources": list(promises.resources),
        "tags": list(promises.tags),
        "idempotent": promises.idempotent,
        "pure": promises.pure,
        "dependencies": [str(key) for key in promises.dependencies],
        "examples": [dict(example) for example in promises.examples],
    }
    for member in ("function_id", "namespace", "scope", "ttl_seconds"):
        value = getattr(promises, member)
        if value is not None:
            declaration[member] = value
    return declaration


def type_name(of: Any) -> str:
    """The JSON type that values of a Python type have: ``array[number]`` for ``list[float]``."""
    if of in _NAMES:
        return _NAMES[of]
    origin, arguments = typing.get_origin(of), typing.get_args(of)
    if origin is Union or type(of).__name__ == "UnionType":
        return " | ".join(dict.fromkeys(type_name(argument) for argument in arguments))
    base = origin or of
    if base in _ARRAYS:
        inner = [argument for argument in arguments if argument is not Ellipsis]
        return f"array[{', '.join(map(type_name, inner))}]" if inner else "array"
    if base in _OBJECTS:
        return f"object[{type_name(arguments[1])}]" if len(arguments) == 2 else "object"
    return str(getattr(of, "__name__", "any"))


def _hints(function: Callable[..., Any]) -> Dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except Exception:
        # Names that only a type checker knows; the function serves without a description of its types.
        return {}


def _parameters(function: Callable[..., Any], hints: Mapping[str, Any]) -> List[Dict[str, Any]]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        # Some built-in functions have no signature.
        return []
    return [_parameter(parameter, hints.get(parameter.name, Any)) for parameter in parameters]


def _parameter(parameter: inspect.Parameter, of: Any) -> Dict[str, Any]:
    described: Dict[str, Any] = {
        "name": parameter.name,
        "kind": _KINDS[parameter.kind],
        "type": type_name(of),
    }
    if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
        described["required"] = False
    elif parameter.default is not inspect.Parameter.empty:
        described["required"] = False
        if _is_json(parameter.default):
            described["default"] = parameter.default
    return described


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
