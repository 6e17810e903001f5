"""Where a request comes from, as services know it: without HTTP."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# What a translator puts before an IPv4 address (RFC 6052 section 2.1): all of IPv4 in one /64.
# The prefix for local use (RFC 8215) has no one form, so it is left as it is.
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Origin:
    """A client: its address (None where there is no IP, as on a unix socket), what it says it is.

    `languages` as its Accept-Language has them.
    """

    address: str | None
    user_agent: str
    languages: str = ""


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
