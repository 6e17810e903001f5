"""The owner of passkeys: from the settings, and only as browsers accept it."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from keyfob.mfa.passkeys.relying_party import RelyingParty, build_relying_party
from keyfob.settings import Settings, WrongSetting

ANDROID = "android:apk-key-hash:" + "x" * 43


def party_of(**given: Any) -> RelyingParty:
    return build_relying_party(Settings(_env_file=None, **given))  # type: ignore[call-arg] # pydantic's own


@pytest.mark.parametrize(
    ("public_url", "rp_id", "origin"),
    [
        (None, "localhost", "http://localhost:8000"),
        ("https://example.com/auth", "example.com", "https://example.com"),
        ("https://Login.Example.com:443", "login.example.com", "https://login.example.com"),
        ("https://login.example.com:8443/a", "login.example.com", "https://login.example.com:8443"),
        ("http://localhost:80/auth/", "localhost", "http://localhost"),
        # Browsers write other alphabets in punycode (RFC 6454 section 4), by UTS #46.
        ("https://Bücher.example/auth", "xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        (
            "https://вход.пример.рф:8443",
            "xn--b1ae3a1a.xn--e1afmkfd.xn--p1ai",
            "https://xn--b1ae3a1a.xn--e1afmkfd.xn--p1ai:8443",
        ),
        ("https://straße.example", "xn--strae-oqa.example", "https://xn--strae-oqa.example"),
    ],
)
def test_unless_told_otherwise_it_is_where_links_lead(
    public_url: str | None, rp_id: str, origin: str
) -> None:
    assert party_of(public_url=public_url) == RelyingParty(rp_id, (origin,))


@pytest.mark.parametrize(
    ("rp_id", "origins", "written"),
    [
        ("example.com", "https://example.com", ["https://example.com"]),
        ("example.com", "https://a.example.com,https://b.c.example.com:8443", None),
        ("example.com", "https://example.com:443/", ["https://example.com"]),
        ("example.com", "HTTPS://Example.com", ["https://example.com"]),
        ("example.com", f"https://example.com,{ANDROID}", None),
        ("localhost", "http://localhost:5173,http://app.localhost:3000", None),
        ("xn--bcher-kva.example", "https://xn--bcher-kva.example", None),
        ("xn--bcher-kva.example", "https://a.bücher.example", ["https://a.xn--bcher-kva.example"]),
    ],
)
def test_it_can_be_told(rp_id: str, origins: str, written: list[str] | None) -> None:
    found = party_of(webauthn_rp_id=rp_id, webauthn_origins=origins)

    assert found == RelyingParty(rp_id, tuple(written or origins.split(",")))


def test_a_domain_may_be_written_in_its_own_alphabet() -> None:
    found = party_of(webauthn_rp_id="bücher.example", webauthn_origins="https://bücher.example")

    assert found == RelyingParty("xn--bcher-kva.example", ("https://xn--bcher-kva.example",))


def test_origins_of_other_domains_may_be_related() -> None:
    found = party_of(
        public_url="https://example.com/auth",
        webauthn_related_origins="https://example.co.uk,https://Bücher.example:443",
    )

    assert found.id == "example.com"
    assert found.origins == ("https://example.com",)
    assert found.related == ("https://example.co.uk", "https://xn--bcher-kva.example")


@pytest.mark.parametrize(
    "origin", ["http://example.org", "example.org", "https://192.0.2.7", "https://*.org", ANDROID]
)
def test_what_no_browser_takes_for_related_stops_the_start(origin: str) -> None:
    with pytest.raises(WrongSetting, match=r"^KEYFOB_WEBAUTHN_RELATED_ORIGINS: should be "):
        party_of(public_url="https://example.com", webauthn_related_origins=origin)


@pytest.mark.parametrize(
    "rp_id",
    [
        "192.0.2.7",
        "2001:db8::1",
        "[::1]",
        "https://example.com",
        "example.com:443",
        "example.com/",
        "Example.com",
        "bücher..example",
        ".com",
        "example.com.",
        "-example.com",
        "exa mple.com",
    ],
)
def test_a_domain_that_is_none_stops_the_start(rp_id: str) -> None:
    with pytest.raises(WrongSetting, match=r"^KEYFOB_WEBAUTHN_RP_ID: should be a domain like"):
        party_of(webauthn_rp_id=rp_id, webauthn_origins="https://example.com")


@pytest.mark.parametrize(
    "given",
    [
        {"webauthn_rp_id": "example.com", "webauthn_origins": "https://example.org"},
        {"webauthn_rp_id": "example.com", "webauthn_origins": "https://badexample.com"},
        {"webauthn_rp_id": "login.example.com", "webauthn_origins": "https://example.com"},
        {"webauthn_rp_id": "com", "webauthn_origins": "https://a.com,https://a.org"},
        {"webauthn_rp_id": "example.com"},  # and links lead to localhost
        {"webauthn_origins": "https://example.com"},  # likewise
        {"webauthn_rp_id": "example.com", "public_url": "https://example.org"},
    ],
)
def test_an_origin_of_another_domain_stops_the_start(given: dict[str, str]) -> None:
    with pytest.raises(WrongSetting, match=r"^KEYFOB_WEBAUTHN_RP_ID: should be the host of every"):
        party_of(**given)


@pytest.mark.parametrize("origin", ["https://example.com", "https://a.b.com"])
def test_a_top_level_domain_stops_the_start(origin: str) -> None:
    """Browsers take none; a host of one's own network may have a name without a dot."""
    with pytest.raises(WrongSetting, match=r"^KEYFOB_WEBAUTHN_RP_ID: should be a domain of your"):
        party_of(webauthn_rp_id="com", webauthn_origins=origin)

    assert party_of(webauthn_rp_id="keyfob", webauthn_origins="https://keyfob").id == "keyfob"


@pytest.mark.parametrize(
    "origin",
    [
        "example.com",
        "https://",
        "https://example.com/auth",
        "https://example.com?x",
        "https://user@example.com",
        "https://example.com:0x50",
        "https://example.com:99999",
        "https://192.0.2.7",
        "https://*.example.com",
        "ftp://example.com",
        "null",
        "android:apk-key-hash:short",
        "http://example.com",
        "http://localhost.example.com",
    ],
)
def test_what_is_no_origin_of_a_passkey_stops_the_start(origin: str) -> None:
    with pytest.raises(WrongSetting, match=r"^KEYFOB_WEBAUTHN_ORIGINS: should be "):
        party_of(webauthn_rp_id="example.com", webauthn_origins=origin)


@pytest.mark.parametrize("url", ["http://192.0.2.7:8000/auth", "http://[2001:db8::1]:8000"])
def test_where_an_address_is_all_that_is_known_it_starts_and_says_so(url: str) -> None:
    with capture_logs() as said:
        party_of(public_url=url)

    assert [line["event"] for line in said] == ["passkeys_need_a_domain"]
