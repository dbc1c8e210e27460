"""Requests over one session, without comfort."""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, Optional, Sequence

from ..core.model import RPCCommand, RPCRequest, RPCResponse
from ..errors import ProtocolError, RpcError
from ..link.message import Message, new_id
from ..link.options import ConnectionOptions
from ..link.session import Session

RPC_ROLES = frozenset({"rpc", "auth", "rpc-register", "rpc-unregister", "rpc-heartbeat"})


class Client:
    """What :class:`~mpreg.client.client_api.MPREGClientAPI` stands on."""

    def __init__(self, url: str, options: Optional[ConnectionOptions] = None) -> None:
        self.session = Session(url, options)
        self.subscribers: Dict[str, Callable[[Message], None]] = {}
        """Who takes the notifications of a subscription, by its id."""
        self.session.handle("pubsub-notification", self._notify)

    @property
    def url(self) -> str:
        """The server's address."""
        return self.session.url

    @property
    def options(self) -> ConnectionOptions:
        """Headers and limits of time."""
        return self.session.options

    async def connect(self) -> None:
        """Connects. Raises :class:`~mpreg.errors.ConnectionFailed`."""
        await self.session.open()

    async def disconnect(self) -> None:
        """Closes; requests under way end with :class:`~mpreg.errors.ClientClosed`."""
        await self.session.close()

    async def request(self, cmds: Sequence[RPCCommand], timeout: Optional[float] = None) -> Any:
        """Runs a graph: the results of its last level, by command name.

        Raises a subclass of :class:`~mpreg.errors.RpcError` when the server answers with an error, otherwise
        what every request may raise.
        """
        message: Message = {"role": "rpc", "u": new_id(), "cmds": [command.to_dict() for command in cmds]}
        reply = await self._ask(message, timeout)
        error = reply.get("error")
        if error:
            raise RpcError.of(error)
        return reply.get("r")

    async def request_enhanced(self, request: RPCRequest, timeout: Optional[float] = None) -> RPCResponse:
        """Runs a graph: the whole answer, with what was asked about its execution.

        An error of the server is in the answer and also raised, as :class:`~mpreg.errors.RpcError`.
        """
        response = RPCResponse.from_dict(await self._ask(request.to_dict(), timeout))
        if response.error is not None:
            raise response.error
        return response

    async def send_raw_message(self, message: Mapping[str, Any], timeout: Optional[float] = None) -> Message:
        """Sends any message and returns the answer as it came. A ``u`` is added where there is none.

        The default time limit is that of calls for ``role`` ``rpc`` and 10 s for everything else.
        """
        whole = dict(message)
        whole.setdefault("u", new_id())
        if not isinstance(whole["u"], str):
            raise ValueError("u must be a string")
        if timeout is None:
            options = self.session.options
            timeout = options.call_timeout if whole.get("role") in RPC_ROLES else options.reply_timeout
        return await self.session.request(whole, timeout)

    def _notify(self, message: Message) -> None:
        # Late ones after an unsubscribe are nobody's.
        subscriber = self.subscribers.get(message.get("subscription_id", ""))
        if subscriber is not None:
            subscriber(message)

    async def _ask(self, message: Message, timeout: Optional[float]) -> Message:
        limit = self.session.options.call_timeout if timeout is None else timeout
        reply = await self.session.request(message, limit)
        if reply.get("role") != "rpc-response":
            raise ProtocolError(f"an answer of role {reply.get('role')!r} to a call")
        return reply
