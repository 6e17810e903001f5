"""Devices, named with words from our own lists."""

from itertools import product

import pytest

from keyfob.devices.families import BROWSERS, SYSTEMS
from keyfob.mail.words import LONGEST_DEVICE, for_reader, known_device


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Firefox 132, Linux", "Firefox 132, Linux"),
        ("Mobile Safari 18, iOS 18", "Mobile Safari 18, iOS 18"),
        ("Chrome 124, Chrome OS 14541", "Chrome 124, Chrome OS"),
        ("Edge 130, Windows 10", "Edge 130, Windows 10"),
        ("Python Requests 2", "Python Requests 2"),
        ("Windows 10", "Windows 10"),
        ("Restore it at https 1, Linux", "Linux"),
        ("Firefox evil, Linux", "Firefox, Linux"),
        ("Firefox 88005553535", "Firefox"),
        ("Firefox ١٢", "Firefox"),
        ("Firefox 1, Linux, evil", "Firefox 1, Linux"),
        ("firefox 1", None),
        (", ", None),
        ("", None),
        (None, None),
    ],
)
def test_what_is_of_a_list_is_shown(said: str | None, shown: str | None) -> None:
    assert known_device(said) == shown


def test_the_longest_device_is_not_cut() -> None:
    for browser, system in product(BROWSERS, SYSTEMS):
        device = f"{browser} 999, {system} 999"
        assert known_device(device) == device
        assert len(device) <= LONGEST_DEVICE


def test_an_address_that_is_none_is_left_out() -> None:
    told = {"address": "198.51.100.7 call now", "device": None}

    assert for_reader(told, proven=True)["address"] is None
    assert for_reader({"address": "2001:DB8::1"}, proven=True)["address"] == "2001:db8::1"
    assert for_reader({}, proven=True) == {}
