"""All spellings of an address are one address, and other texts are none."""

import ipaddress

import pytest

from keyfob.authority.models import Role
from keyfob.core.addresses import is_trusted, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7 ", "203.0.113.7"),
        ("203.0.113.7:50000", "203.0.113.7"),
        ('"203.0.113.7"', "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::FFFF:cb00:7107", "203.0.113.7"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ('"[2001:db8::1]:443"', "2001:db8::1"),
        ("[::ffff:203.0.113.7]:80", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("64:ff9b::9.9.9.9", "9.9.9.9"),
        ("[64:FF9B:0:0::909:909]:443", "9.9.9.9"),
        # What no translator writes, lest it passes for loopback or a proxy of ours.
        ("64:ff9b::127.0.0.1", "64:ff9b::7f00:1"),
        ("64:ff9b::10.0.0.1", "64:ff9b::a00:1"),
        ("64:ff9b:1::9.9.9.9", "64:ff9b:1::909:909"),
    ],
)
def test_every_spelling_of_an_address_is_one(text: str, address: str) -> None:
    assert str(parse_address(text)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "unknown",
        "_hidden",
        "203.0.113",
        "203.0.113.256",
        "203.0.113.07",
        "0x7f.1",
        "[",
        "::1::",
        "example.com",
        "203.0.113.7, 10.0.0.1",
        "\x00",
        "\u0661\u0662\u0667.0.0.1",
        "fe80::1%" + "x" * 100,
    ],
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert parse_address(text) is None


def test_a_proxy_is_trusted_in_every_spelling_of_its_network() -> None:
    proxies = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8::/32")]

    for text in ("10.1.2.3", "::ffff:10.1.2.3", "2001:db8:ffff::1"):
        assert is_trusted(parse_address(text), proxies)
    for text in ("11.0.0.1", "2001:db9::1", "::ffff:11.0.0.1", "nobody"):
        assert not is_trusted(parse_address(text), proxies)
    assert not is_trusted(parse_address("10.1.2.3"), [])


def test_each_role_may_do_what_the_ones_before_it_may() -> None:
    allowed = {(role, other) for role in Role for other in Role if role.includes(other)}

    user, moderator, admin = Role.USER, Role.MODERATOR, Role.ADMIN
    assert allowed == {
        (user, user),
        (moderator, user),
        (moderator, moderator),
        (admin, user),
        (admin, moderator),
        (admin, admin),
    }
