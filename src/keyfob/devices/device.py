"""Devices, as described by a User-Agent. It is a claim, good only for display."""

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal, TypedDict

from ua_parser import Parser
from ua_parser.basic import Resolver
from ua_parser.loaders import load_builtins

from keyfob.core.text import drop_controls
from keyfob.devices.source import Source

# At the beginning or end of a word only: names of apps may contain them, and a maker of phones has
# one in its name.
_BOTS = re.compile(
    r"(?<!cu)bot(?![a-z])|(?:crawler|spider)(?![a-z])"
    r"|(?<![a-z])(?:(?:lib)?curl/|wget/|python-|go-http-client)"
)
_TABLETS = re.compile(
    r"(?<![a-z])(?:ipad|tablet|kindle|playbook)(?![a-z])"
    r"|(?<![a-z])(?:silk/|mediapad|matepad)|; sm-[tx]"
)
# The last ones are HTTP libraries of phone apps, which name no device.
_PHONES = ("iphone", "ipod", "windows phone", "mobile", "android", "okhttp/", "(dart:io)")
_DESKTOPS = ("windows", "mac os", "ubuntu", "linux", "chrome os", "fedora", "debian", "freebsd")


DeviceType = Literal["mobile", "tablet", "desktop", "bot", "unknown"]


@dataclass(frozen=True, slots=True)
class Device:
    """A device as it describes itself; None for unknown parts."""

    device_type: DeviceType
    browser: str | None
    os: str | None
    platform: str | None


class Where(TypedDict):
    """The source of a change, for a mail, which filters it (`mail.words`)."""

    address: str | None
    device: str | None


NOWHERE = Where(address=None, device=None)

# The rest of a header tells nothing more, and costs time in the patterns.
_READ = 256
# The limit of each part, for storage and display: clients can write anything there.
_LONGEST = 64
_LONGEST_VERSION = 8


@cache
def _parser() -> Parser:
    # The plain resolver takes 0.2 to 0.9 ms instead of 0.02 for the compiled one, but 3 MB instead
    # of 25. A sign-in costs a hundred times as much, and the same devices come again.
    return Parser(Resolver(load_builtins()))


@lru_cache(maxsize=512)
def describe_device(user_agent: str) -> Device:
    """Parse a User-Agent header, the first 256 characters of it.

    Threat: the text is shown in consoles and terminals, which control characters can affect.
    """
    user_agent = drop_controls(user_agent[:_READ])
    found = _parser().parse(user_agent)
    browser, device = found.user_agent, found.device
    system = _versioned(found.os.family, found.os.major) if found.os else None
    if "cfnetwork/" in user_agent.lower() and "(x86_64)" in user_agent:
        system = "Mac OS X"  # the library is used by iOS too, this processor is not
    family = device.family if device else None
    return Device(
        device_type=_kind(user_agent.lower(), (system or "").lower(), family),
        browser=_versioned(browser.family, browser.major) if browser else None,
        os=system,
        platform=_versioned(family, None) if family else None,
    )


def source_in_words(source: Source) -> Where:
    """Return address and device of the source of a request."""
    device = describe_device(source.user_agent)
    return where_in_words(source.address, device.browser, device.os)


def where_in_words(address: str | None, browser: str | None, system: str | None) -> Where:
    """Return address and device of a stored source."""
    # Apps that use Android's own library name the system twice.
    parts = [part for part in dict.fromkeys((browser, system)) if part]
    return Where(address=address, device=", ".join(parts) or None)


def _versioned(family: str, major: str | None) -> str | None:
    if family == "Other":
        return None
    family = family[: _LONGEST - _LONGEST_VERSION - 1].rstrip()
    return f"{family} {major[:_LONGEST_VERSION]}" if major else family


def _kind(user_agent: str, system: str, family: str | None) -> DeviceType:
    if family == "Spider" or _BOTS.search(user_agent):
        return "bot"
    if _TABLETS.search(user_agent) or _is_browser_of_tablet(user_agent):
        return "tablet"
    if any(word in user_agent for word in _PHONES) or system.startswith("ios"):
        return "mobile"
    if any(word in system or word in user_agent for word in _DESKTOPS):
        return "desktop"
    return "unknown"


def _is_browser_of_tablet(user_agent: str) -> bool:
    # By Google's advice for browsers and webviews, those of phones say "Mobile" and those of
    # tablets do not. An app without a browser engine never says it.
    is_engine = "safari/" in user_agent or "gecko/" in user_agent
    return is_engine and "android" in user_agent and "mobile" not in user_agent
