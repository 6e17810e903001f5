from uuid import UUID

import pytest

from keyfob.core.addresses import client_bucket, share_of


@pytest.mark.parametrize(
    ("address", "bucket"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7 ", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::FFFF:CB00:7107", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("2001:0db8:0001:0002:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2002:cb01:7107:1:2:3:4:5", "203.1.113.7"),  # 6to4
        ("2001:0:808:808:0:fbf0:34fe:8ef8", "203.1.113.7"),  # Teredo
        ("2002:7f00:1::", "2002:7f00:1::/64"),
        ("2002:a00:1::", "2002:a00:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", "unknown"),
        ("unknown", "unknown"),
        ("203.0.113.007", "unknown"),
        ("203.0.113.7, 10.0.0.1", "unknown"),
        ("\x00", "unknown"),
    ],
)
def test_variants_of_an_address_share_a_bucket(address, bucket):
    assert client_bucket(address) == bucket


def test_neighbouring_networks_are_two_clients():
    assert client_bucket("2001:db8:1:2::1") != client_bucket("2001:db8:1:3::1")


def test_shares_nest_from_the_site_to_the_client_and_its_user():
    user = UUID(int=7)

    assert share_of("203.0.113.7") == ("203.0.113.7", "")
    assert share_of("::ffff:203.0.113.7", user) == ("203.0.113.7", str(user))
    assert share_of("2001:db8:1:203:4:5:6:7") == (
        "2001:db8:1::/48",
        "2001:db8:1:200::/56",
        "2001:db8:1:203::/64",
        "",
    )
    assert share_of(None) == share_of("no address") == ("unknown", "")
