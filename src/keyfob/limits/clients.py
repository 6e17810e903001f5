"""Which addresses count as one client."""

import ipaddress

UNKNOWN = "unknown"

_NETWORK_BITS = 64


def client_bucket(address: str) -> str:
    """Return the bucket that an address is counted in.

    An IPv4 address is a client; so is an IPv6 /64, because that is what one subscriber is given
    (RFC 6177) and whoever has one has 2**64 addresses. An IPv4-mapped address (RFC 4291 section
    2.5.5.2) counts as its IPv4 form, textual variants count as one, and whatever is no address
    shares the bucket "unknown".
    """
    try:
        parsed = ipaddress.ip_address(address.strip())
    except ValueError:
        return UNKNOWN
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    network = int(parsed) >> _NETWORK_BITS << _NETWORK_BITS
    return f"{ipaddress.IPv6Address(network)}/{_NETWORK_BITS}"
