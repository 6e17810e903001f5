"""Devices and places as pages show them: text of the client's, which is marked as such."""

from collections.abc import Mapping

from markupsafe import Markup

from keyfob.core.locales import _
from keyfob.devices.device import DeviceType
from keyfob.web.parts.names import name

PICTURES: Mapping[DeviceType, str] = {
    "mobile": "phone",
    "tablet": "tablet",
    "desktop": "laptop",
    "bot": "code",
    "unknown": "globe",
}


def device_in_words(browser: str | None, system: str | None) -> Markup:
    """Return "Firefox 130, Windows 11", or the known part of it; empty if nothing is known."""
    parts = [part for part in dict.fromkeys((browser, system)) if part]
    return name(", ".join(parts)) if parts else Markup()


def known_device(browser: str | None, system: str | None) -> Markup | str:
    """Return a device in words, also if nothing is known of it."""
    return device_in_words(browser, system) or _("Unknown device")
