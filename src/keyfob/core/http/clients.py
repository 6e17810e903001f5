"""The client of a request: its address, and whether it is still connected.

Only the first hop tells the address reliably.
"""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import TypeVar

import structlog
from starlette.requests import Request
from starlette.types import Scope

from keyfob.core.addresses import Address, Network, is_trusted, parse_address
from keyfob.core.departures import watching
from keyfob.core.http.forwarded import hops_of, naming

log = structlog.get_logger("keyfob.http")

T = TypeVar("T")


class Clients:
    """Finds the client of a request: the peer, or the client that trusted proxies name."""

    def __init__(
        self,
        proxies: Sequence[Network],
        header: str = "x-forwarded-for",
        *,
        by_socket: bool = False,
    ) -> None:
        """Trust proxies by their networks; with `by_socket`, also those that use a unix socket.

        Only `header` is read: a proxy forwards the other headers as the client wrote them.
        """
        self._proxies = proxies
        self._header = header
        self._by_socket = by_socket
        self._said: set[str] = set()

    def address_of(self, scope: Scope) -> str | None:
        """Return the client's address in canonical form; None if there is none.

        The header is read from the right: each hop names its own peer, so the first address that is
        not a trusted proxy is the client. Whatever is left of it was written by the client and
        proves nothing. Reading ends at a malformed entry, and at the 32nd.
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
        """Tell whether a request comes from a trusted proxy."""
        # The server leaves the client out for unix sockets only: nothing a client sends does that.
        if scope["client"] is None:
            return self._by_socket
        return is_trusted(_peer_of(scope), self._proxies)

    def _look_at(self, peer: Address | None, named: set[str], *, is_proxy: bool) -> None:
        """Warn once about settings that an operator has most likely forgotten."""
        if not named:
            return
        if not is_proxy:
            self._say("forwarded_by_a_stranger", peer, "if it is a proxy: KEYFOB_TRUSTED_PROXIES")
        elif self._header not in named:
            self._say("forwarded_otherwise", peer, f"KEYFOB_FORWARDED_HEADER={min(named)}")

    def _say(self, event: str, peer: Address | None, advice: str) -> None:
        if event not in self._said:
            self._said.add(event)
            # A public address may be personal data.
            shown = "a public address" if peer and peer.is_global else str(peer)
            log.warning(event, peer=shown, advice=advice)


def _peer_of(scope: Scope) -> Address | None:
    return parse_address(scope["client"][0]) if scope["client"] else None


def client_address(request: Request) -> str:
    """Return the client's address as text; "unknown" if there is none."""
    clients: Clients = request.app.state.clients
    return clients.address_of(request.scope) or "unknown"


async def while_present(request: Request, work: Awaitable[T]) -> T:
    """Do the work, but no hashing once the client has disconnected (`core.departures`).

    The body must have been read before.

    Raises:
        ClientGone: a hash was given up.
    """
    departure = asyncio.create_task(_departure(request))
    try:
        with watching(departure):
            return await work
    finally:
        departure.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await departure


async def _departure(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
