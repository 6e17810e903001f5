"""The client of a request: where it is, and whether it still waits.

The first hop is the truth about its address.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import structlog
from starlette.requests import Request
from starlette.types import Scope

from keyfob.core.addresses import Address, Network, is_trusted, parse_address
from keyfob.core.http.forwarded import hops_of, naming
from keyfob.core.problems import BadRequest

log = structlog.get_logger("keyfob.http")

T = TypeVar("T")


class Clients:
    """Tells who sent a request: the peer, or whom proxies of ours name."""

    def __init__(
        self,
        proxies: Sequence[Network],
        header: str = "x-forwarded-for",
        *,
        by_socket: bool = False,
    ) -> None:
        """Believe proxies by their networks; `by_socket`, whoever comes over a unix socket, too.

        Only `header` is read: a proxy hands on the others as the client wrote them.
        """
        self._proxies = proxies
        self._header = header
        self._by_socket = by_socket
        self._said: set[str] = set()

    def address_of(self, scope: Scope) -> str | None:
        """Return the client's address in canonical form; None where there is none.

        The header is read from the right: each hop names its own peer, so the first address that is
        not a proxy of ours is the client. What stands left of it was written by the client and
        proves nothing. A malformed entry ends the walk, and so does the 32nd.
        """
        peer = _peer_of(scope)
        client = peer
        if self.is_proxy(scope):
            for hop in hops_of(self._header, scope["headers"]):
                address = parse_address(hop)
                if address is None:
                    break
                client = address
                if not is_trusted(address, self._proxies):
                    break
        if client is peer:
            self._look_at(peer, naming(scope["headers"]), is_proxy=self.is_proxy(scope))
        return str(client) if client else None

    def is_proxy(self, scope: Scope) -> bool:
        """Tell whether a request comes from a proxy of ours, whose word about it is taken."""
        # The server leaves the client out for a unix socket alone: no word of a client does that.
        if scope["client"] is None:
            return self._by_socket
        return is_trusted(_peer_of(scope), self._proxies)

    def _look_at(self, peer: Address | None, named: set[str], *, is_proxy: bool) -> None:
        """Say once what an operator has most likely forgotten."""
        if not named:
            return
        if not is_proxy:
            self._say("forwarded_by_a_stranger", peer, "if it is a proxy: KEYFOB_TRUSTED_PROXIES")
        elif self._header not in named:
            self._say("forwarded_otherwise", peer, f"KEYFOB_FORWARDED_HEADER={min(named)}")

    def _say(self, event: str, peer: Address | None, advice: str) -> None:
        if event not in self._said:
            self._said.add(event)
            # A public address may be a person's.
            shown = "a public address" if peer and peer.is_global else str(peer)
            log.warning(event, peer=shown, advice=advice)


def _peer_of(scope: Scope) -> Address | None:
    return parse_address(scope["client"][0]) if scope["client"] else None


def client_address(request: Request) -> str:
    """Return the client's address as text, "unknown" where there is none."""
    clients: Clients = request.app.state.clients
    return clients.address_of(request.scope) or "unknown"


class ClientGone(BadRequest):
    """The client closed the connection; nobody reads this."""

    code = "client_gone"
    title = "The client closed the connection"


async def while_present(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Do the work, but give it up when the client leaves: nobody hashes for the departed.

    The body must have been read before.

    Raises:
        ClientGone: the client closed the connection; the work was cancelled.
    """
    task = asyncio.create_task(work)
    departure = asyncio.create_task(_departure(request))
    try:
        await asyncio.wait({task, departure}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientGone
    finally:
        for one in (task, departure):
            one.cancel()
            with suppress(asyncio.CancelledError, Exception):  # its outcome was taken above
                await one


async def _departure(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
