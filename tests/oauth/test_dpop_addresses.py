"""The `htu` of proofs: equal after normalisation, or another address (RFC 3986 section 6.2)."""

import time

import pytest

from keyfob.oauth.dpop.addresses import is_same

ADDRESS = "https://id.example.com/auth/oauth2/token"

SAME = [
    ADDRESS,
    "HTTPS://ID.Example.COM/auth/oauth2/token",
    "https://id.example.com:443/auth/oauth2/token",
    "https://id.example.com:/auth/oauth2/token",
    "https://id.example.com/auth/./oauth2/x/../token",
    "https://id.example.com/../auth/oauth2/token",
    "https://id.example.com/%61uth/oauth2/to%6ben",
    "https://id.example.com/auth/oauth2/token?code=1",
    "https://id.example.com/auth/oauth2/token#part",
]
OTHER = [
    "",
    "/auth/oauth2/token",
    "//id.example.com/auth/oauth2/token",
    "http://id.example.com/auth/oauth2/token",
    "ftp://id.example.com/auth/oauth2/token",
    "https://id.example.com:444/auth/oauth2/token",
    "https://id.example.com:x/auth/oauth2/token",
    "https://id.example.com:99999/auth/oauth2/token",
    "https://id.example.com./auth/oauth2/token",
    "https://id.example.com.evil.example/auth/oauth2/token",
    "https://evil.example/auth/oauth2/token",
    "https://user@id.example.com/auth/oauth2/token",
    "https://id.example.com@evil.example/auth/oauth2/token",
    "https://evil.example\\@id.example.com/auth/oauth2/token",
    "https:/id.example.com/auth/oauth2/token",
    "https:id.example.com/auth/oauth2/token",
    "https://id.example.com/auth/oauth2/token/",
    "https://id.example.com//auth/oauth2/token",
    "https://id.example.com/AUTH/oauth2/token",
    "https://id.example.com/auth%2Foauth2/token",
    "https://id.example.com/auth/oauth2/token/..",
    "https://id.example.com/auth/oauth2/token;x",
    " https://id.example.com/auth/oauth2/token",
    "https://id.example.com/auth/oauth2/token\n",
    "https://id.example.com/auth/oauth2/tok\ten",
    "https://id.example.com/auth/oauth2/\u0167oken",
    "https://[id.example.com/auth/oauth2/token",
    "https://id.example.com",
]


@pytest.mark.parametrize("htu", SAME)
def test_what_is_the_same_after_normalisation_is_the_same(htu: str) -> None:
    assert is_same(htu, ADDRESS)


@pytest.mark.parametrize("htu", OTHER)
def test_anything_else_is_another_address(htu: str) -> None:
    assert not is_same(htu, ADDRESS)


@pytest.mark.parametrize("htu", [None, 1, True, [ADDRESS], {"href": ADDRESS}])
def test_what_is_no_text_is_none(htu: object) -> None:
    assert not is_same(htu, ADDRESS)


def test_the_root_and_an_address_of_ipv6_are_written_in_one_way() -> None:
    assert is_same("http://[::1]:80", "http://[::1]/")
    assert is_same("http://[::1]:8000/a", "http://[::1]:8000/a")


@pytest.mark.parametrize("part", ["../", "%2e%2E/", "a/", "%", "?", "@", "\\", "[", "x%41"])
def test_hostile_addresses_take_no_time(part: str) -> None:
    began = time.process_time()

    for _ in range(10):
        assert not is_same("https://id.example.com/" + part * (32_768 // len(part)), ADDRESS)

    assert time.process_time() - began < 1


def test_two_that_have_no_normal_form_are_not_the_same() -> None:
    assert not is_same("no url", "https://id.example.com/auth/admin/roles/a b")
