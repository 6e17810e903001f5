"""URLs of clients are fetched within bounds, and never from behind the firewall."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Sequence
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.fixtures.certificates import Certificate, make_certificate
from tests.fixtures.far_end import FarEnd, far_end

from keyfob.core.addresses import is_public, parse_address
from keyfob.core.outbound import CannotFetch, Outbound


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("outbound"))


@pytest.fixture
async def end(certificate: Certificate) -> AsyncIterator[FarEnd]:
    async with far_end(certificate.server_side) as end:
        yield end


class Names:
    """A resolver that answers as it is told, one answer after the other."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


def outbound(certificate: Certificate | None = None, **given: object) -> Outbound:
    options = {"allow": ["127.0.0.1"], "resolve": Names(["127.0.0.1"]), **given}
    return Outbound(ca_file=certificate.path if certificate else None, **options)  # type: ignore[arg-type] # a test's own


async def test_an_answer_has_status_headers_and_body(end: FarEnd, certificate: Certificate) -> None:
    end.body, end.headers = b'{"keys": []}', ["Content-Type: application/json"]

    got = await outbound(certificate).get(end.url + "?a=b")

    assert (got.status, got.body) == (200, b'{"keys": []}')
    assert ("content-type", "application/json") in got.headers
    request = end.asked[0].splitlines()
    assert request[0] == "GET /jwks.json?a=b HTTP/1.1"
    assert f"Host: localhost:{end.port}" in request
    assert "Accept-Encoding: identity" in request


async def test_the_certificate_is_verified_by_name(end: FarEnd, certificate: Certificate) -> None:
    with pytest.raises(CannotFetch, match="CERTIFICATE_VERIFY_FAILED"):
        await outbound().get(end.url)
    with pytest.raises(CannotFetch, match="Hostname mismatch"):
        await outbound(certificate).get(end.url.replace("localhost", "elsewhere.example.com"))
    assert end.asked == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.0.9",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "198.18.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a01:203",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001:0:7f00:1::1",
        "2001:db8::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "fd00::1",
        "ff02::1",
    ],
)
async def test_an_address_that_is_not_public_is_never_called(address: str) -> None:
    client = Outbound(resolve=Names([address]))
    for addresses in ([address], ["8.8.8.8", address], [address, "2606:4700::1111"]):
        client.resolve = Names(addresses)
        with pytest.raises(CannotFetch, match="is not allowed"):
            await client.get("https://keys.example.com/jwks.json")


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808"])
def test_a_public_address_is_one(address: str) -> None:
    parsed = parse_address(address)
    assert parsed is not None
    assert is_public(parsed)
    assert not is_public(ip_address("::1"))


@pytest.mark.parametrize(
    "host", ["localhost", "127.1", "0x7f.0.0.1", "2130706433", "[::1]", "[::ffff:7f00:1]", "0"]
)
async def test_no_spelling_of_loopback_passes(end: FarEnd, host: str) -> None:
    with pytest.raises(CannotFetch):
        await Outbound().get(f"https://{host}:{end.port}/")
    assert end.asked == []


async def test_a_name_is_resolved_once_and_the_address_kept(
    certificate: Certificate, end: FarEnd
) -> None:
    """A rebinding name: what it resolves to a moment later is not asked for."""
    names = Names(["127.0.0.1"], ["127.0.0.2"])

    await outbound(certificate, resolve=names).get(end.url)

    assert names.asked == [("localhost", end.port)]
    assert len(end.asked) == 1


async def test_of_several_addresses_the_next_is_tried(
    certificate: Certificate, end: FarEnd
) -> None:
    names = Names(["127.0.0.3", "127.0.0.1"])  # nobody listens at the first

    got = await outbound(certificate, resolve=names, allow=["127.0.0.0/8"]).get(end.url)

    assert got.status == 200


async def test_http_is_for_what_an_administrator_lists() -> None:
    async with far_end(None) as end:
        with pytest.raises(CannotFetch, match="http to 8\\.8\\.8\\.8 is not allowed"):
            await outbound(resolve=Names(["8.8.8.8"])).get(end.url)
        with pytest.raises(CannotFetch, match="is not allowed"):
            await outbound(allow=["10.0.0.0/8"]).get(end.url)
        for allow in (["127.0.0.0/8"], ["localhost"]):
            assert (await outbound(allow=allow).get(end.url)).status == 200
        assert len(end.asked) == 2


async def test_a_redirect_is_not_followed(certificate: Certificate, end: FarEnd) -> None:
    async with far_end(None) as hidden:
        end.status, end.headers = "302 Found", [f"Location: {hidden.url}"]

        got = await outbound(certificate).get(end.url)

        assert (got.status, hidden.asked) == (302, [])


async def test_ten_megabytes_are_not_read(certificate: Certificate, end: FarEnd) -> None:
    end.body, end.pieces = b" " * 65_536, 160

    with pytest.raises(CannotFetch, match="longer than 65536 bytes"):
        await outbound(certificate).get(end.url)


@pytest.mark.parametrize(
    ("headers", "piece"),
    [
        ([], b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        (["Transfer-Encoding: chunked"], b"1\r\na\r\n"),
        (["Transfer-Encoding: chunked"], b"1;" + b"x" * 60 + b"\r\na\r\n"),
    ],
    ids=["provisional responses", "chunks of a byte", "extensions of chunks"],
)
async def test_all_that_is_read_is_bounded_and_not_the_body_alone(
    certificate: Certificate, end: FarEnd, headers: list[str], piece: bytes
) -> None:
    end.status = "200 OK" if headers else "103 Early Hints\r\n\r\nHTTP/1.1 103 Early Hints"
    end.headers, end.body, end.pieces = headers, piece * 2000, 100

    with pytest.raises(CannotFetch, match="longer than 131072 bytes"):
        await outbound(certificate, seconds=60.0).get(end.url)


async def test_a_byte_at_a_time_does_not_prolong(certificate: Certificate, end: FarEnd) -> None:
    end.body, end.pieces, end.pause = b" ", 1000, 0.02

    with pytest.raises(CannotFetch, match="TimeoutError"):
        await outbound(certificate, seconds=0.2).get(end.url)


async def test_a_resolver_or_server_that_never_answers_takes_no_longer(
    certificate: Certificate, end: FarEnd
) -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    end.hold = asyncio.Event()
    for client in (outbound(certificate, seconds=0.1), outbound(resolve=never, seconds=0.1)):
        with pytest.raises(CannotFetch, match="TimeoutError"):
            await client.get(end.url)
    end.hold.set()


async def test_proxies_of_the_environment_are_ignored(
    certificate: Certificate, end: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert (await outbound(certificate).get(end.url)).status == 200


@pytest.mark.parametrize(
    "url",
    [
        "ftp://localhost/",
        "file:///etc/passwd",
        "https:///jwks",
        "https://user@localhost/",
        "https://localhost\\@8.8.8.8/",
        "https://localhost/\r\nHost: x",
        "https://localhost/a b",
        "https://localhost:0/",
        "https://localhost:99999/",
        "https://[::1/",
        "https://b\u00fccher.example/",
        "https://localhost/#a",
        "//localhost/",
        "",
    ],
)
async def test_what_is_no_plain_url_is_refused(url: str) -> None:
    names = Names(["8.8.8.8"])
    with pytest.raises(CannotFetch, match="it is not an http or https URL"):
        await outbound(resolve=names).get(url)
    assert names.asked == []


async def test_a_name_that_does_not_exist_and_a_port_that_is_closed(tmp_path: Path) -> None:
    client = Outbound(allow=["127.0.0.1"])
    for url in ("https://nowhere.invalid/", "https://127.0.0.1:1/", f"https://{'a' * 80}.com/"):
        with pytest.raises(CannotFetch):
            await client.get(url)
    await client.close()


async def test_a_slow_name_takes_one_thread_however_often_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    goes_on = threading.Event()

    def find(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        if host == "slow.example":
            goes_on.wait(30)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", find)
    client = Outbound(seconds=1, of_one=16)
    fetches = [client.get("https://slow.example/") for _ in range(16)]

    found = await asyncio.gather(*fetches, return_exceptions=True)
    with pytest.raises(CannotFetch, match="gaierror"):
        await client.get("https://other.example/")
    goes_on.set()
    await client.close()

    assert {str(fault) for fault in found} == {"TimeoutError"}
    assert asked == ["slow.example", "other.example"]


async def test_a_form_is_sent(end: FarEnd, certificate: Certificate) -> None:
    end.status = "204 No Content"
    got = await outbound(certificate).post(end.url, {"logout_token": "a.b&c"})

    request = end.asked[0].splitlines()
    assert got.status == 204
    assert request[0] == "POST /jwks.json HTTP/1.1"
    assert "Content-Type: application/x-www-form-urlencoded" in request
    assert f"Content-Length: {len('logout_token=a.b%26c')}" in request


@pytest.mark.parametrize(
    ("url", "addresses", "may"),
    [
        ("https://app.example.com/", ["93.184.216.34"], True),
        ("https://app.example.com/", [], False),
        ("https://app.example.com/", ["10.0.0.1"], False),
        ("https://app.example.com/", ["93.184.216.34", "::1"], False),
        ("http://app.example.com/", ["93.184.216.34"], False),
        ("http://app.example.com/", ["127.0.0.1"], True),
        ("ftp://app.example.com/", ["93.184.216.34"], False),
        ("https://user@app.example.com/", ["93.184.216.34"], False),
    ],
)
async def test_a_url_is_checked_before_it_is_registered(
    url: str, addresses: list[str], *, may: bool
) -> None:
    asking = outbound(resolve=Names(addresses))
    if may:
        await asking.ensure_may_call(url)
        return
    with pytest.raises(CannotFetch):
        await asking.ensure_may_call(url)


async def test_a_name_without_an_address_may_be_registered_over_https_alone() -> None:
    async def nobody(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror

    await outbound(resolve=nobody).ensure_may_call("https://new.example.com/")
    with pytest.raises(CannotFetch):
        await outbound(resolve=nobody).ensure_may_call("http://new.example.com/")
