"""An offer to change the protocol is ignored (RFC 9110 section 7.8), whatever it comes with."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.serving.conftest import Service, closes_within, read_answer

pytestmark = pytest.mark.slow

OFFER = (
    b"Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\n"
    b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
)
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
SMUGGLED_CHUNK = b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
BODIES = {
    "none": (b"Content-Length: 0\r\n\r\n", 0),
    "of a length": (b"Content-Length: 5\r\n\r\nhello", 5),
    "in chunks": (b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 5),
    "with trailers": (
        b"Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\nAuthorization: x\r\n\r\n",
        3,
    ),
    "that looks like a request": (
        b"Content-Length: %d\r\n\r\n%s" % (len(SMUGGLED), SMUGGLED),
        len(SMUGGLED),
    ),
    "of chunks that look like one": (
        b"Transfer-Encoding: chunked\r\n\r\n" + SMUGGLED_CHUNK,
        len(SMUGGLED),
    ),
    "twice as long as one read": (b"Content-Length: 600000\r\n\r\n" + b"x" * 600_000, 600_000),
}


@pytest.fixture(params=BODIES)
def body(request: pytest.FixtureRequest) -> tuple[bytes, int]:
    """The data after the offer, and the number of its bytes that are a body."""
    found: tuple[bytes, int] = BODIES[request.param]
    return found


def test_an_offer_with_a_body_is_ignored_and_the_next_request_served(
    service: Service, body: tuple[bytes, int]
) -> None:
    with service.connect() as connection:
        connection.sendall(b"POST /first HTTP/1.1\r\n" + OFFER + body[0])
        answer = read_answer(connection)
        connection.sendall(b"POST /second HTTP/1.1\r\n" + OFFER + body[0] + LAST)
        rest = closes_within(connection, 10)

    assert answer.startswith(b"HTTP/1.1 200 ")
    first = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (first["path"], first["body"]) == ("/first", body[1])
    assert "authorization" not in first["headers"]
    assert rest.count(b"HTTP/1.1 200 ") == 2
    assert rest.index(b'"/second"') < rest.index(b'"/last"')
    assert b"smuggled" not in rest


def test_an_offer_in_pieces_is_read_alike(service: Service) -> None:
    whole = b"POST /first HTTP/1.1\r\n" + OFFER + BODIES["of chunks that look like one"][0] + LAST
    for size in (1, 2, 7, 61):
        with service.connect() as connection:
            for start in range(0, len(whole), size):
                connection.sendall(whole[start : start + size])
            said = closes_within(connection, 10)

        assert said.count(b"HTTP/1.1 200 ") == 2, size
        assert b"smuggled" not in said, size
        assert b'"body": %d' % len(SMUGGLED) in said, size


def test_many_offers_ahead_of_their_answers_are_served_in_order(service: Service) -> None:
    raw = b"".join(
        b"POST /slow/%d HTTP/1.1\r\n%sContent-Length: 2\r\n\r\nab" % (n, OFFER) for n in range(20)
    )
    said = service.say(raw + LAST)

    places = [said.index(b'"/slow/%d"' % n) for n in range(20)] + [said.index(b'"/last"')]
    assert places == sorted(places)
    assert said.count(b'"body": 2') == 20


def test_an_offer_may_wait_for_leave_to_send(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\n" + OFFER + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n"
        )
        assert read_answer(connection) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert b'"body": 3' in read_answer(connection)


def test_an_offer_keeps_to_close(service: Service) -> None:
    head = b"POST /first HTTP/1.1\r\nHost: a\r\nConnection: close, Upgrade\r\nUpgrade: h2c\r\n"
    said = service.say(head + b"Content-Length: 3\r\n\r\nabc" + LAST)

    assert b"connection: close" in said
    assert said.count(b"HTTP/1.1 200 ") == 1
    assert b'"body": 3' in said


@pytest.mark.parametrize(
    "raw",
    [
        b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: identity\r\n\r\n",
        b"Content-Length: +3\r\n\r\nabc",
        b"Content-Length: 99999999999999999999\r\n\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
    ],
)
def test_ambiguous_framing_is_refused_with_an_offer_too(service: Service, raw: bytes) -> None:
    said = service.say(b"POST / HTTP/1.1\r\n" + OFFER + raw)

    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.count(b"HTTP/1.1 ") == 1


def test_a_body_that_does_not_come_is_not_waited_for(impatient: Service) -> None:
    for begun in (b"Content-Length: 9\r\n\r\nabc", b"Transfer-Encoding: chunked\r\n\r\n5\r\nab"):
        said = impatient.say(b"POST / HTTP/1.1\r\n" + OFFER + begun)
        assert said.startswith(b"HTTP/1.1 408 ")


def test_endless_trailers_are_refused_with_an_offer_too(service: Service) -> None:
    raw = b"POST / HTTP/1.1\r\n" + OFFER + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: "

    assert service.say(raw + b"x" * 600_000).startswith(b"HTTP/1.1 431 ")


def _has_http2() -> bool:
    curl = shutil.which("curl")
    return curl is not None and b"HTTP2" in subprocess.check_output([curl, "--version"])


@pytest.mark.skipif(not _has_http2(), reason="needs a curl that knows HTTP/2")
@pytest.mark.parametrize("how", [["-d", "abc"], ["-d", ""], ["-T", "-"], ["-X", "DELETE"]])
def test_curl_may_offer_http2(service: Service, how: list[str]) -> None:
    # Twice in one command: over one connection, if it is kept.
    command = ["curl", "-sS", "--http2", "--max-time", "10", *how]
    done = subprocess.run(
        [*command, f"{service.url}/one", f"{service.url}/two"],
        input=b"from a pipe",
        capture_output=True,
        check=True,
    )

    assert b'"/one"' in done.stdout
    assert done.stdout.count(b'"body": ') >= 1


@pytest.mark.skipif(shutil.which("java") is None, reason="needs Java")
def test_a_stock_java_client_is_served(service: Service) -> None:
    program = Path(__file__).with_name("OfferingClient.java")
    done = subprocess.run(
        ["java", str(program), f"{service.url}/java"], capture_output=True, text=True, check=False
    )

    answers = [line.partition(" ") for line in done.stdout.splitlines()]
    assert [status for status, _, _ in answers] == ["200"] * 12, done.stderr
    bodies = [json.loads(told)["body"] for _, _, told in answers]
    assert bodies == [0, 0, 0, 0, 0, 0, 13, 13, 13, 13, 1_000_000, 1_000_000]
