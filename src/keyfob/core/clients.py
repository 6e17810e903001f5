"""Which addresses count as one client, and which networks a client is part of."""

import ipaddress
from collections.abc import Callable
from contextvars import ContextVar
from uuid import UUID

from keyfob.core.fair_queue import Share

UNKNOWN = "unknown"

_NETWORK_BITS = 64

# What a site is given, what a home is given, and one network (RFC 6177).
_NESTED_BITS = (48, 56, _NETWORK_BITS)


def client_bucket(address: str) -> str:
    """Return the bucket that an address is counted in.

    An IPv4 address is a client; so is an IPv6 /64, because that is what one subscriber is given
    (RFC 6177) and whoever has one has 2**64 addresses. An IPv4-mapped address (RFC 4291 section
    2.5.5.2) counts as its IPv4 form, and so does one of 6to4 (RFC 3056) or Teredo (RFC 4380), which
    whoever has that IPv4 address can use; textual variants count as one, and whatever is no address
    shares the bucket "unknown".
    """
    return _buckets(address)[-1]


def networks_of(address: str) -> list[str]:
    """Return the bucket of an address, and those of the /56 and the /48 around it if it is IPv6."""
    return _buckets(address)[::-1]


def share_of(address: str | None, user_id: UUID | None = None) -> Share:
    """Return the nested shares that a client's work belongs to, the largest first.

    The /48, /56 and /64 of an IPv6 address, or the IPv4 address; in it the user, where the work is
    for somebody who is signed in. Threat: whoever has a /48 has 65,536 networks of 64 bits.
    """
    return (*_buckets(address or UNKNOWN), str(user_id or ""))


_asker: ContextVar[Callable[[], str | None] | None] = ContextVar("asker", default=None)


def set_asker(address: Callable[[], str | None]) -> None:
    """Say whose request is under way, by what finds the client's address once it is asked for."""
    _asker.set(address)


def share_of_asker() -> Share:
    """Return the share of whose request is under way; work of our own has one for itself."""
    address = _asker.get()
    return ("ours",) if address is None else share_of(address())


def _tunnelled(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    within = address.sixtofour or (address.teredo[1] if address.teredo else None)
    # Others stand in no real one, and would be counted as loopback, or as a proxy of ours.
    return within if within and within.is_global else None


def _buckets(address: str) -> list[str]:
    try:
        parsed = ipaddress.ip_address(address.strip())
    except ValueError:
        return [UNKNOWN]
    if isinstance(parsed, ipaddress.IPv4Address):
        return [str(parsed)]
    if within := parsed.ipv4_mapped or _tunnelled(parsed):
        return [str(within)]
    return [
        f"{ipaddress.IPv6Address(int(parsed) >> (128 - bits) << (128 - bits))}/{bits}"
        for bits in _NESTED_BITS
    ]
