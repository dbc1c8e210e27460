"""The discovery functions, with typed answers.

Each method takes the request's fields as one mapping, as keyword arguments, or both; the protocol's
chapter 5.2 lists them. Paged answers have a ``next_page_token`` to pass as ``page_token``.
"""

from __future__ import annotations

from typing import Any, Mapping, Optional, Tuple, Type, TypeVar

from ..core import discovery as answers
from ..core.decode import decode
from ..errors import ProtocolError

T = TypeVar("T")
Fields = Optional[Mapping[str, Any]]


class Discovery:
    """The methods; :class:`~mpreg.client.client_api.MPREGClientAPI` has them all.

    They raise as its ``call`` does, and :class:`~mpreg.errors.ProtocolError` for an answer of another shape.
    """

    async def call(self, fun: str, *args: Any, target_cluster: Optional[str] = None) -> Any:
        """Calls a function."""
        raise NotImplementedError

    async def _ask(
        self, of: Type[T], fun: str, request: Fields, fields: Mapping[str, Any], target_cluster: Optional[str] = None
    ) -> T:
        return decode(of, await self._raw(fun, request, fields, target_cluster))

    async def _raw(
        self, fun: str, request: Fields, fields: Mapping[str, Any], target_cluster: Optional[str] = None
    ) -> Any:
        payload = {**(request or {}), **fields}
        return await self.call(fun, *([payload] if payload else []), target_cluster=target_cluster)

    async def list_peers(
        self, request: Fields = None, *, target_cluster: Optional[str] = None, **fields: Any
    ) -> Tuple[answers.PeerSnapshot, ...]:
        """Other nodes that this one knows, never itself."""
        peers = await self._raw("list_peers", request, fields, target_cluster)
        if not isinstance(peers, list):
            raise ProtocolError("expected an array of peers")
        return tuple(decode(answers.PeerSnapshot, peer) for peer in peers)

    async def cluster_map(self) -> answers.ClusterMap:
        """All nodes of the cluster."""
        return await self._ask(answers.ClusterMap, "cluster_map", None, {})

    async def cluster_map_v2(self, request: Fields = None, **fields: Any) -> answers.ClusterMap:
        """The nodes of the cluster that fit the filters."""
        return await self._ask(answers.ClusterMap, "cluster_map_v2", request, fields)

    async def catalog_query(self, request: Fields = None, **fields: Any) -> answers.CatalogPage:
        """Entries of the catalog; ``entry_type`` is required."""
        return await self._ask(answers.CatalogPage, "catalog_query", request, fields)

    async def catalog_watch(self, request: Fields = None, **fields: Any) -> answers.Watch:
        """The topic on which changes of the catalog are published."""
        return await self._ask(answers.Watch, "catalog_watch", request, fields)

    async def rpc_list(
        self, request: Fields = None, *, target_cluster: Optional[str] = None, **fields: Any
    ) -> answers.RpcPage:
        """Functions, with a summary of each."""
        return await self._ask(answers.RpcPage, "rpc_list", request, fields, target_cluster)

    async def rpc_describe(
        self, request: Fields = None, *, target_cluster: Optional[str] = None, **fields: Any
    ) -> answers.RpcPage:
        """Functions, with documentation, parameters and examples."""
        return await self._ask(answers.RpcPage, "rpc_describe", request, fields, target_cluster)

    async def rpc_report(
        self, request: Fields = None, *, target_cluster: Optional[str] = None, **fields: Any
    ) -> answers.RpcReport:
        """How many functions there are, by namespace, cluster and tag."""
        return await self._ask(answers.RpcReport, "rpc_report", request, fields, target_cluster)

    async def namespace_status(self, request: Fields = None, **fields: Any) -> answers.NamespaceStatus:
        """Whether a viewer may see a namespace."""
        return await self._ask(answers.NamespaceStatus, "namespace_status", request, fields)

    async def namespace_policy_validate(self, request: Fields = None, **fields: Any) -> answers.PolicyVerdict:
        """Checks rules without applying them."""
        return await self._ask(answers.PolicyVerdict, "namespace_policy_validate", request, fields)

    async def namespace_policy_apply(self, request: Fields = None, **fields: Any) -> answers.PolicyVerdict:
        """Replaces the policy."""
        return await self._ask(answers.PolicyVerdict, "namespace_policy_apply", request, fields)

    async def namespace_policy_export(self) -> answers.NamespacePolicy:
        """The policy in force."""
        return await self._ask(answers.NamespacePolicy, "namespace_policy_export", None, {})

    async def namespace_policy_audit(self, request: Fields = None, **fields: Any) -> answers.Audit:
        """Who changed the policy."""
        return await self._ask(answers.Audit, "namespace_policy_audit", request, fields)

    async def discovery_access_audit(self, request: Fields = None, **fields: Any) -> answers.Audit:
        """Who looked at what."""
        return await self._ask(answers.Audit, "discovery_access_audit", request, fields)

    async def summary_query(self, request: Fields = None, **fields: Any) -> Any:
        """Summaries of services, as the server answers them."""
        return await self._raw("summary_query", request, fields)

    async def summary_watch(self, request: Fields = None, **fields: Any) -> answers.Watch:
        """The topic on which summaries are published."""
        return await self._ask(answers.Watch, "summary_watch", request, fields)

    async def resolver_cache_stats(self) -> Any:
        """State of the resolver's cache, as the server answers it."""
        return await self._raw("resolver_cache_stats", None, {})

    async def resolver_resync(self) -> Any:
        """Fills the resolver's cache anew; the server's answer."""
        return await self._raw("resolver_resync", None, {})

    async def dns_register(self, request: Fields = None, **fields: Any) -> Any:
        """Registers a service under a DNS name; the server's answer."""
        return await self._raw("dns_register", request, fields)

    async def dns_unregister(self, request: Fields = None, **fields: Any) -> Any:
        """Takes a registration back; the server's answer."""
        return await self._raw("dns_unregister", request, fields)

    async def dns_list(self, request: Fields = None, **fields: Any) -> Any:
        """Registered services, as the server answers them."""
        return await self._raw("dns_list", request, fields)

    async def dns_describe(self, request: Fields = None, **fields: Any) -> Any:
        """Registered services in full, as the server answers them."""
        return await self._raw("dns_describe", request, fields)
