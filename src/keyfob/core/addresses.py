"""Addresses of clients: how they are read, and which ones count as one client."""

import ipaddress
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import lru_cache
from uuid import UUID

from keyfob.core.fair_queue import Share

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# The prefix of IPv4 addresses translated to IPv6 (RFC 6052 section 2.1): all of IPv4 in one /64.
# The prefix for local use (RFC 8215) has several forms, so it is left as it is.
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # RFC 4291 section 2.4

UNKNOWN = "unknown"

# How many addresses are remembered as they were read: the same clients come again and again.
_REMEMBERED = 1024

# More characters than an IPv6 address has with its brackets, scope and port. Threat: a client sends
# long texts as addresses, which are remembered as well.
_LONGEST = 100

_NETWORK_BITS = 64

# The usual prefixes of a site, a home and a single network (RFC 6177).
_NESTED_BITS = (48, 56, _NETWORK_BITS)


def parse_address(text: str) -> Address | None:
    """Parse one address in any of its spellings; None if the text is not an address.

    IPv4 in IPv6, mapped or translated, becomes IPv4; a scope id is dropped.
    """
    text = text.strip()
    return _parse(text) if len(text) <= _LONGEST else None


@lru_cache(_REMEMBERED)
def _parse(text: str) -> Address | None:
    text = text.strip('"')
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
    """Return the IPv4 address in a translated address; None if it is not translated.

    Threat: a client that seems to come from loopback or from one of our proxies is trusted more.
    Only global addresses may be translated (RFC 6052 section 3.1), so no others are accepted.
    """
    if address not in _TRANSLATED:
        return None
    within = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return within if within.is_global else None


def is_public(address: Address) -> bool:
    """Tell whether an address belongs to the public internet.

    Tunnels and translations that may lead to IPv4 (6to4, Teredo, NAT64) do not, unless
    `parse_address` has unwrapped them to a public address.
    """
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        is_tunnel = address.sixtofour is not None or address.teredo is not None
        return address in _GLOBAL_UNICAST and not is_tunnel
    return True


def is_trusted(address: Address | None, proxies: Sequence[Network]) -> bool:
    """Tell whether an address belongs to a configured proxy."""
    return address is not None and any(address in network for network in proxies)


def client_bucket(address: str) -> str:
    """Return the bucket that an address is counted in.

    An IPv4 address is one client; so is an IPv6 /64, since that is what one subscriber gets (RFC
    6177), with 2**64 addresses to use. An IPv4-mapped address (RFC 4291 section 2.5.5.2) counts as
    its IPv4 form, and so does an address of 6to4 (RFC 3056) or Teredo (RFC 4380), which the owner
    of that IPv4 address can use. Textual variants count as one, and a text that is not an address
    counts in the bucket "unknown".
    """
    return _buckets(address)[-1]


def networks_of(address: str) -> list[str]:
    """Return the bucket of an address; if it is IPv6, also those of its /56 and its /48."""
    return list(_buckets(address)[::-1])


def share_of(address: str | None, user_id: UUID | None = None) -> Share:
    """Return the nested shares that a client's work belongs to, the largest first.

    These are the /48, /56 and /64 of an IPv6 address, or the IPv4 address, and within it the user
    if one is signed in. Threat: the owner of a /48 has 65,536 networks of 64 bits.
    """
    return (*_buckets(address or UNKNOWN), str(user_id or ""))


_asker: ContextVar[Callable[[], str | None] | None] = ContextVar("asker", default=None)


def set_asker(address: Callable[[], str | None]) -> None:
    """Set the client of the current request, as a function that finds its address when needed."""
    _asker.set(address)


def address_of_asker() -> str | None:
    """Return the address of the current request's client; None for our own work."""
    address = _asker.get()
    return None if address is None else address()


def share_of_asker() -> Share:
    """Return the share of the current request's client; our own work has a share of its own."""
    address = _asker.get()
    return ("ours",) if address is None else share_of(address())


def _tunnelled(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    within = address.sixtofour or (address.teredo[1] if address.teredo else None)
    # Others are not real tunnels, and would count as loopback or as one of our proxies.
    return within if within and within.is_global else None


@lru_cache(_REMEMBERED)
def _buckets(address: str) -> Share:
    try:
        parsed = ipaddress.ip_address(address.strip())
    except ValueError:
        return (UNKNOWN,)
    if isinstance(parsed, ipaddress.IPv4Address):
        return (str(parsed),)
    if within := parsed.ipv4_mapped or _tunnelled(parsed):
        return (str(within),)
    return tuple(
        f"{ipaddress.IPv6Address(int(parsed) >> (128 - bits) << (128 - bits))}/{bits}"
        for bits in _NESTED_BITS
    )
