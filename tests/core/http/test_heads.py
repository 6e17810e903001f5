"""HTTP's rules for the head of a request, on hot routes exactly as on the others."""

import pytest
from tests.fixtures.asgi import RawAnswer, call_raw
from tests.fixtures.world import World

HOST = (b"host", b"keyfob.test")
JSON = (b"content-type", b"application/json")
LENGTH = (b"content-length", b"2")
CHUNKED = (b"transfer-encoding", b"chunked")


@pytest.fixture(params=["/refresh", "/login", "/auth/register/"])
def path(request: pytest.FixtureRequest) -> str:
    """A hot route or a normal one; `{}` as a body is refused there for its fields: 422."""
    path: str = request.param
    return path


def told(answer: RawAnswer) -> tuple[int, str]:
    return answer.status, answer.json()["code"]


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        [HOST, HOST],
        [HOST, (b"host", b"evil.example")],
        [(b"host", b"keyfob.test, evil.example"), HOST],
        [(b"host", b"keyfob.test/evil")],
        [(b"host", b"user@keyfob.test")],
        [(b"host", b"a b")],
        [(b"host", b"k\xc3\xa9yfob.test")],
    ],
    ids=["none", "twice", "two", "a list and one", "a path", "a user", "a space", "no ASCII"],
)
async def test_there_is_one_host(world: World, hosts: list[tuple[bytes, bytes]]) -> None:
    for method, path in (("GET", "/me"), ("POST", "/login"), ("GET", "/health/live")):
        answer = await call_raw(world, method, path, headers=hosts, host=None)
        assert told(answer) == (400, "bad_request")
        assert answer.header(b"connection") == b"close"


@pytest.mark.parametrize(
    "host", [b"", b"a", b"[::1]:8000", b"10.0.0.1:80", b"xn--80adxhks.xn--p1ai", b"a_b.c:1", b"%41"]
)
async def test_a_host_has_any_form_that_a_url_has(world: World, host: bytes) -> None:
    answer = await call_raw(world, "GET", "/health/live", host=host)

    assert answer.status == 200


async def test_an_old_client_need_not_name_a_host(world: World) -> None:
    none = await call_raw(world, "GET", "/health/live", version="1.0", host=None)
    assert none.status == 200
    two = await call_raw(world, "GET", "/health/live", version="1.0", headers=[HOST])
    assert told(two) == (400, "bad_request")


async def test_an_old_client_sends_no_chunks(world: World, path: str) -> None:
    """RFC 9112 section 6.1: such framing is faulty, for a proxy before us may not see it."""
    answer = await call_raw(
        world, "POST", path, headers=[JSON, CHUNKED], pieces=[b"{}"], version="1.0"
    )

    assert told(answer) == (400, "bad_request")
    assert answer.header(b"connection") == b"close"
    assert answer.pieces_read == 0


@pytest.mark.parametrize("version", ["0.9", "2.0"])
async def test_another_protocol_is_not_taken_for_this_one(world: World, version: str) -> None:
    answer = await call_raw(world, "GET", "/health/live", version=version)

    assert told(answer) == (400, "bad_request")


@pytest.mark.parametrize("coding", [b"gzip", b"GZIP", b"br", b"identity, gzip", b"aes128gcm", b"x"])
async def test_a_body_in_a_content_coding_is_refused_unread(
    world: World, path: str, coding: bytes
) -> None:
    for framing in (LENGTH, CHUNKED):
        headers = [JSON, framing, (b"content-encoding", coding)]
        answer = await call_raw(world, "POST", path, headers=headers, pieces=[b"{}"])
        assert told(answer) == (415, "unsupported_encoding")
        assert answer.header(b"accept-encoding") == b"identity"  # RFC 9110 section 15.5.16
        assert answer.pieces_read == 0


@pytest.mark.parametrize("coding", [b"", b"identity", b"Identity"])
async def test_a_body_in_no_coding_may_say_so(world: World, path: str, coding: bytes) -> None:
    headers = [JSON, LENGTH, (b"content-encoding", coding)]

    answer = await call_raw(world, "POST", path, headers=headers, pieces=[b"{}"])

    assert told(answer) == (422, "invalid_input")


async def test_a_coding_of_no_body_matters_to_nobody(world: World) -> None:
    for more in ([], [(b"content-length", b"0")]):
        headers = [(b"content-encoding", b"gzip"), *more]
        assert (await call_raw(world, "GET", "/health/live", headers=headers)).status == 200


@pytest.mark.parametrize(
    "codings", [[b"gzip, chunked"], [b"gzip", b"chunked"], [b"deflate,chunked"], [b", chunked"]]
)
async def test_a_transfer_coding_that_is_not_known_is_said_to_be(
    world: World, path: str, codings: list[bytes]
) -> None:
    """RFC 9112 section 6.1."""
    headers = [JSON, *((b"transfer-encoding", coding) for coding in codings)]

    answer = await call_raw(world, "POST", path, headers=headers, pieces=[b"{}"])

    assert told(answer) == (501, "unsupported_transfer_coding")
    assert answer.header(b"connection") == b"close"
    assert answer.pieces_read == 0


@pytest.mark.parametrize("coding", [b"chunked", b"Chunked", b" chunked "])
async def test_chunks_are_known(world: World, path: str, coding: bytes) -> None:
    headers = [JSON, (b"transfer-encoding", coding)]

    assert (await call_raw(world, "POST", path, headers=headers, pieces=[b"{}"])).status == 422
