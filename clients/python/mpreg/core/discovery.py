"""What the discovery functions answer. Times are seconds since 1970; missing members have their defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Tuple


@dataclass(frozen=True)
class TransportEndpoint:
    """One way to reach a node."""

    connection_type: str
    protocol: str
    host: str
    port: int
    endpoint: str = ""


@dataclass(frozen=True)
class LoadMetrics:
    """How busy a node is; the lowest ``load_score`` is the best choice."""

    active_clients: int = 0
    peer_count: int = 0
    status: str = "unknown"
    status_timestamp: float = 0.0
    messages_processed: int = 0
    rpc_responses_skipped: int = 0
    server_messages: int = 0
    other_messages: int = 0
    load_score: float = 0.0


@dataclass(frozen=True)
class NodeSnapshot:
    """A node of the cluster, as it describes itself."""

    node_id: str
    cluster_id: str
    region: str = ""
    scope: str = "zone"
    resources: Tuple[str, ...] = ()
    capabilities: Tuple[str, ...] = ()
    tags: Tuple[str, ...] = ()
    transport_endpoints: Tuple[TransportEndpoint, ...] = ()
    advertised_urls: Tuple[str, ...] = ()
    advertised_at: float = 0.0
    load: Optional[LoadMetrics] = None


@dataclass(frozen=True)
class ClusterMap:
    """The nodes of a cluster, this one included."""

    cluster_id: str
    generated_at: float
    nodes: Tuple[NodeSnapshot, ...] = ()
    next_page_token: Optional[str] = None


@dataclass(frozen=True)
class PeerSnapshot:
    """A node that the asked one is connected to."""

    url: str
    cluster_id: str
    funs: Tuple[str, ...] = ()
    locs: Tuple[str, ...] = ()
    last_seen: float = 0.0
    status: str = "unknown"
    status_timestamp: float = 0.0
    scope: str = "zone"
    region: str = ""
    advertised_urls: Tuple[str, ...] = ()
    transport_endpoints: Tuple[TransportEndpoint, ...] = ()
    load: Optional[LoadMetrics] = None


@dataclass(frozen=True)
class CatalogPage:
    """Entries of the catalog; what an entry has depends on ``entry_type``."""

    entry_type: str
    generated_at: float
    items: Tuple[Mapping[str, Any], ...] = ()
    next_page_token: Optional[str] = None


@dataclass(frozen=True)
class Watch:
    """The topic on which changes are published."""

    topic: str
    generated_at: float
    scope: Optional[str] = None
    namespace: Optional[str] = None
    cluster_id: str = ""


@dataclass(frozen=True)
class FunctionIdentity:
    """Which function, in which version."""

    name: str
    function_id: str
    version: str


@dataclass(frozen=True)
class TypeSpec:
    """A type as people read it, and what it is made of."""

    display: str
    args: Tuple[Any, ...] = ()
    is_optional: bool = False
    module: Optional[str] = None
    qualname: Optional[str] = None
    origin: Optional[str] = None


@dataclass(frozen=True)
class RpcSummary:
    """A function in one line."""

    identity: FunctionIdentity
    namespace: str = ""
    summary: str = ""
    parameter_count: int = 0
    required_parameter_count: int = 0
    return_type: Optional[TypeSpec] = None
    spec_version: str = "1"
    spec_digest: str = ""


@dataclass(frozen=True)
class RpcItem:
    """A function of a node. ``spec`` (documentation, parameters, examples) only when described in full."""

    identity: FunctionIdentity
    namespace: str = ""
    node_id: str = ""
    cluster_id: str = ""
    resources: Tuple[str, ...] = ()
    tags: Tuple[str, ...] = ()
    scope: str = "zone"
    summary: Optional[RpcSummary] = None
    spec: Optional[Mapping[str, Any]] = None
    spec_digest: Optional[str] = None


@dataclass(frozen=True)
class RpcPage:
    """Functions. ``errors`` tells of nodes that could not be asked."""

    generated_at: float
    items: Tuple[RpcItem, ...] = ()
    errors: Tuple[Mapping[str, Any], ...] = ()
    next_page_token: Optional[str] = None


@dataclass(frozen=True)
class KeyCount:
    """How often a key occurs."""

    key: str
    count: int


@dataclass(frozen=True)
class RpcReport:
    """Functions by namespace, cluster and tag, the most frequent first."""

    generated_at: float
    total_functions: int = 0
    namespace_counts: Tuple[KeyCount, ...] = ()
    cluster_counts: Tuple[KeyCount, ...] = ()
    tag_counts: Tuple[KeyCount, ...] = ()


@dataclass(frozen=True)
class NamespaceStatus:
    """Whether a viewer may see a namespace, and why."""

    namespace: str
    generated_at: float
    allowed: bool
    reason: str
    viewer_cluster_id: Optional[str] = None
    viewer_tenant_id: Optional[str] = None
    rule: Optional[Mapping[str, Any]] = None
    summaries_exported: int = 0
    last_export_at: Optional[float] = None


@dataclass(frozen=True)
class PolicyVerdict:
    """What came of a policy that was checked or applied."""

    valid: bool
    generated_at: float
    rule_count: int = 0
    applied: bool = False
    errors: Tuple[str, ...] = ()


@dataclass(frozen=True)
class NamespacePolicy:
    """The policy in force."""

    enabled: bool
    default_allow: bool
    generated_at: float
    rule_count: int = 0
    rules: Tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class Audit:
    """Recent events, newest last."""

    generated_at: float
    entries: Tuple[Mapping[str, Any], ...] = field(default_factory=tuple)
