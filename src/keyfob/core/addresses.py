"""Addresses of clients: reading them, and which count as one client."""

import ipaddress
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from uuid import UUID

from keyfob.core.fair_queue import Share

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# What a translator puts before an IPv4 address (RFC 6052 section 2.1): all of IPv4 in one /64.
# The prefix for local use (RFC 8215) has no one form, so it is left as it is.
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")

UNKNOWN = "unknown"

_NETWORK_BITS = 64

# What a site is given, what a home is given, and one network (RFC 6177).
_NESTED_BITS = (48, 56, _NETWORK_BITS)


def parse_address(text: str) -> Address | None:
    """Read one address in any of its spellings; None if it is none.

    IPv4 in IPv6, mapped or translated, becomes IPv4; a scope id is dropped.
    """
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or _translated(address) or ipaddress.IPv6Address(int(address))
    return address


def _translated(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that a translator wrote; None where none did.

    Threat: whoever seems to come from loopback or from a proxy of ours is believed more. Only
    global addresses may be written so (RFC 6052 section 3.1), so no other is read.
    """
    if address not in _TRANSLATED:
        return None
    within = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return within if within.is_global else None


def is_trusted(address: Address | None, proxies: Sequence[Network]) -> bool:
    """Tell whether an address belongs to a configured proxy."""
    return address is not None and any(address in network for network in proxies)


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
