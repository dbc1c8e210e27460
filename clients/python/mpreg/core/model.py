"""What calls and messages are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, FrozenSet, Iterable, List, Mapping, Optional, Sequence

from ..errors import CommandNotFound, RpcError
from ..link.message import new_id

MPREGException = RpcError
"""Upstream's name of :class:`~mpreg.errors.RpcError`."""
CommandNotFoundException = CommandNotFound
"""Upstream's name of :class:`~mpreg.errors.CommandNotFound`."""


@dataclass(frozen=True)
class RPCCommand:
    """One command of a graph.

    A string among ``args`` or ``kwargs`` that equals another command's ``name`` stands for that command's
    result; ``"name.field"`` for a member of it. ``locs`` are resources that whoever runs it must have.
    """

    name: str
    fun: str
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    locs: FrozenSet[str] = frozenset()
    function_id: Optional[str] = None
    version_constraint: Optional[str] = None
    target_cluster: Optional[str] = None
    routing_topic: Optional[str] = None

    def to_dict(self) -> Dict[str, Any]:
        """The command as it is sent."""
        command: Dict[str, Any] = {"name": self.name, "fun": self.fun, "args": list(self.args)}
        if self.kwargs:
            command["kwargs"] = dict(self.kwargs)
        if self.locs:
            command["locs"] = sorted(self.locs)
        for name in ("function_id", "version_constraint", "target_cluster", "routing_topic"):
            value = getattr(self, name)
            if value is not None:
                command[name] = value
        return command


@dataclass(frozen=True)
class RPCRequest:
    """A graph of commands with everything that may be asked about its execution."""

    cmds: Sequence[RPCCommand]
    u: str = field(default_factory=new_id)
    return_intermediate_results: bool = False
    intermediate_result_callback_topic: Optional[str] = None
    include_execution_summary: bool = False
    debug_mode: bool = False

    def to_dict(self) -> Dict[str, Any]:
        """The request as it is sent."""
        return {
            "role": "rpc",
            "u": self.u,
            "cmds": [command.to_dict() for command in self.cmds],
            "return_intermediate_results": self.return_intermediate_results,
            "intermediate_result_callback_topic": self.intermediate_result_callback_topic,
            "include_execution_summary": self.include_execution_summary,
            "debug_mode": self.debug_mode,
        }


@dataclass(frozen=True)
class RPCIntermediateResult:
    """What one level of a graph has given. Times in ms, ``timestamp`` in seconds since 1970."""

    request_id: str
    level_index: int
    level_results: Mapping[str, Any]
    accumulated_results: Mapping[str, Any]
    total_levels: int
    completed_levels: int
    timestamp: float
    execution_time_ms: float


@dataclass(frozen=True)
class RPCExecutionSummary:
    """How long a graph took. Times in ms."""

    request_id: str
    total_execution_time_ms: float
    total_levels: int
    level_execution_times: Sequence[float]
    bottleneck_level_index: int
    average_level_time_ms: float
    parallel_commands_executed: int
    cross_cluster_hops: int


@dataclass(frozen=True)
class RPCResponse:
    """The answer to a graph: ``r`` has the results of its last level by command name."""

    r: Any
    u: str
    error: Optional[RpcError] = None
    intermediate_results: Sequence[RPCIntermediateResult] = ()
    execution_summary: Optional[RPCExecutionSummary] = None

    @staticmethod
    def from_dict(reply: Mapping[str, Any]) -> "RPCResponse":
        """Reads an ``rpc-response``; members it does not know are left out."""
        error, summary = reply.get("error"), reply.get("execution_summary")
        return RPCResponse(
            r=reply.get("r"),
            u=str(reply.get("u", "")),
            error=RpcError.of(error) if error else None,
            intermediate_results=tuple(
                RPCIntermediateResult(**_known(RPCIntermediateResult, level))
                for level in reply.get("intermediate_results") or ()
            ),
            execution_summary=RPCExecutionSummary(**_known(RPCExecutionSummary, summary)) if summary else None,
        )


@dataclass(frozen=True)
class PubSubMessage:
    """A published message. ``timestamp`` is the publisher's, in seconds since 1970.

    ``offset`` (``"epoch:position"``) is where the server stored it, ``None`` where it did not;
    ``backlog`` says that it was published before the subscription.
    """

    topic: str
    payload: Any
    timestamp: float = 0.0
    message_id: str = ""
    publisher: str = ""
    headers: Mapping[str, Any] = field(default_factory=dict)
    routing_path: Optional[List[str]] = None
    current_hop: Optional[int] = None
    offset: Optional[str] = None
    subscription_id: str = ""
    backlog: bool = False


@dataclass(frozen=True)
class Gap:
    """Messages that a subscription did not get, and never will.

    ``start`` and ``end`` are the first and last offset that may be missing, ``None`` where the messages were
    never stored; ``count`` is how many there are, where that is known.
    """

    start: Optional[str]
    end: Optional[str]
    count: Optional[int] = None


def _known(cls: type, members: Mapping[str, Any]) -> Dict[str, Any]:
    names: Iterable[str] = cls.__dataclass_fields__  # type: ignore[attr-defined]
    return {name: members[name] for name in names if name in members}
