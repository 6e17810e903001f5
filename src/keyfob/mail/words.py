"""What may stand in a mail of all that strangers can have us tell.

Threat: whoever signs up with another's address, or asks for a link to it, would have us send that
person words of theirs, from a sender whom the person trusts. So a device is named in words of our
own lists, whoever reads it; and what somebody typed stands in mails to proven addresses alone.
Addresses of clients and places are ours already: the one is parsed, the other is of a file.
"""

import re
from collections.abc import Mapping
from typing import Any

from keyfob.core.addresses import parse_address

# Families as ua-parser calls them. Its patterns also make families of what a client writes.
BROWSERS = frozenset(
    """
    Amazon Silk|Android|Brave|Chrome|Chrome Mobile|Chrome Mobile WebView|Chrome Mobile iOS
    Chromium|DuckDuckGo|DuckDuckGo Mobile|Edge|Edge Mobile|Electron|Firefox|Firefox Mobile
    Firefox iOS|HeadlessChrome|Huawei Browser|IE|MiuiBrowser|Mobile Safari|Opera|Opera GX
    Opera Mini|Opera Mobile|Opera Touch|PostmanRuntime|Python Requests|Python aiohttp|QQ Browser
    Safari|Samsung Internet|Sber Browser|UC Browser|Vivaldi|Wget|Whale|Yandex Browser|aiohttp|curl
    okhttp
    """.strip()
    .replace("\n    ", "|")
    .split("|")
)
SYSTEMS = frozenset(
    """
    Android|Chrome OS|Debian|Fedora|FreeBSD|Gentoo|HarmonyOS|KaiOS|Linux|Mac OS X|NetBSD|OpenBSD
    Red Hat|Solaris|Tizen|Ubuntu|WatchOS|Windows|iOS|tvOS|webOS
    """.strip()
    .replace("\n    ", "|")
    .split("|")
)
LONGEST_DEVICE = 40
_VERSION = re.compile(r"[0-9]{1,3}")  # a longer one could be a telephone number

_TYPED = ("name", "factor", "new_email")


def for_reader(told: Mapping[str, Any], *, proven: bool) -> dict[str, Any]:
    """Return of what is told what may stand in a mail; the rest is None.

    Args:
        told: as `Mail.send` was given it, and the `name`.
        proven: whether somebody has shown that they read mails at the address.
    """
    closed = {**told}
    if "device" in told:
        closed["device"] = known_device(told["device"])
    if "address" in told:
        address = parse_address(told["address"] or "")
        closed["address"] = str(address) if address else None
    return closed if proven else {**closed, **dict.fromkeys(_TYPED)}


def known_device(said: str | None) -> str | None:
    """Return "Firefox 140, Linux" of a browser and a system as they present themselves.

    At most 40 characters; parts that are on no list are left out, and None where nothing is left.
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
