"""The filter for texts in mails that strangers may have chosen.

Threat: somebody signs up with another person's address, or asks for a link to it, and so has us
send that person a text of theirs, from a sender that the person trusts. So devices are named with
words from our own lists, and texts that somebody typed are only in mails to proven addresses.
Addresses of clients and names of places are safe: addresses are parsed, and places come from a
file.
"""

import re
from collections.abc import Mapping
from typing import Any

from keyfob.core.addresses import parse_address
from keyfob.devices.families import BROWSERS, SYSTEMS

LONGEST_DEVICE = 40
_VERSION = re.compile(r"[0-9]{1,3}")  # a longer one could be a telephone number

# What nobody typed. A stranger's return_to was in links once: so what is not listed stays out.
_UNTYPED = frozenset(
    {"address", "at", "codes_left", "device", "ends_keys", "erase_at", "expires_at"}
    | {"is_first_proof", "is_kept", "place", "silent_until", "token"}
)


def for_reader(told: Mapping[str, Any], *, proven: bool) -> dict[str, Any]:
    """Return the parameters that a mail may contain; the others become None.

    Args:
        told: the parameters of `Mail.send`, and the `name`.
        proven: whether somebody is known to read mails at the address.
    """
    closed = {**told}
    if "device" in told:
        closed["device"] = known_device(told["device"])
    if "address" in told:
        address = parse_address(told["address"] or "")
        closed["address"] = str(address) if address else None
    if proven:
        return closed
    return {name: value if name in _UNTYPED else None for name, value in closed.items()}


def known_device(said: str | None) -> str | None:
    """Return a text such as "Firefox 140, Linux" for a browser and system that a client claims.

    It has at most 40 characters and only parts from our lists; None if there are none.
    """
    parts = [_known(part) for part in (said or "").split(", ")[:2]]
    return ", ".join(part for part in parts if part)[:LONGEST_DEVICE] or None


def _known(said: str) -> str | None:
    families = BROWSERS | SYSTEMS
    if said in families:
        return said
    family, _, version = said.rpartition(" ")
    if family not in families:
        return None
    return said if _VERSION.fullmatch(version) else family
