"""Where a request comes from, as services know it: without HTTP."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Origin:
    """A client: its address (None where there is no IP, as on a unix socket), what it says it is.

    `languages` as its Accept-Language has them.
    """

    address: str | None
    user_agent: str
    languages: str = ""


def parse_address(text: str) -> Address | None:
    """Read one address in any of its spellings; IPv4 in IPv6 becomes IPv4; None if it is none."""
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
        return address.ipv4_mapped or ipaddress.IPv6Address(int(address))  # drops a scope id
    return address


def is_trusted(address: Address | None, proxies: Sequence[Network]) -> bool:
    """Tell whether an address belongs to a configured proxy."""
    return address is not None and any(address in network for network in proxies)
