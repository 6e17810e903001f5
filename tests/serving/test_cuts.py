"""Requests are parsed correctly, however they are divided among reads."""

import socket

import pytest
from tests.serving.conftest import Service, closes_within

pytestmark = pytest.mark.slow

BODY = b"GET /inner HTTP/1.1\r\nHost: a\r\n\r\n\r\n\r\n0\r\n\r\n"
OFFER = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n2\r\n\r\n\r\n0\r\n%s\r\n"
REQUESTS = [
    (b"GET /%d HTTP/1.1\r\n\r\n", 0),
    (b"\r\n\r\n\r\nGET /%d HTTP/1.1\r\nHost: a\r\n\r\n", 0),
    (b"POST /%d HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 0),
    (b"POST /%d HTTP/1.1\r\nContent-Length: 0004 \r\n\r\n\r\n\r\n", 4),
    (b"POST /%d HTTP/1.1\r\n" + LENGTH, len(BODY)),
    (b"POST /%d HTTP/1.1\r\n" + OFFER + LENGTH, len(BODY)),
    (b"POST /%d HTTP/1.1\r\n" + CHUNKS % (len(BODY), BODY, b""), len(BODY) + 2),
    (b"POST /%d HTTP/1.1\r\n" + CHUNKS % (len(BODY), BODY, b"A: b\r\n"), len(BODY) + 2),
    (b"POST /%d HTTP/1.1\r\n" + OFFER + CHUNKS % (len(BODY), BODY, b""), len(BODY) + 2),
]
LAST = b"GET /last HTTP/1.1\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 41, 97, 256, 10_000])
def test_requests_ahead_of_their_answers_are_read_in_any_pieces(
    service: Service, size: int
) -> None:
    chosen = REQUESTS + REQUESTS[::-1]
    whole = b"".join(raw % number for number, (raw, _) in enumerate(chosen)) + LAST
    with service.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start in range(0, len(whole), size):
            connection.sendall(whole[start : start + size])
        said = closes_within(connection, 20)

    expected = [(b"/%d" % number, size) for number, (_, size) in enumerate(chosen)]
    found = [said.index(b'"path": "%s", "body": %d,' % each) for each in expected]
    assert found == sorted(found)
    assert said.count(b"HTTP/1.1 200 ") == len(chosen) + 1
    assert b"inner" not in said
