"""A body that the application does not take up holds neither its connection nor a stop."""

import contextlib
import socket
from collections.abc import Iterator

import pytest
from tests.serving.conftest import Service, Start, closes_within, read_answer, wait_until

pytestmark = pytest.mark.slow

HEAD = b"POST /unread HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
# More than uvicorn keeps for an application that does not read.
SENT = b"x" * 190_000
TURNS = 100


@contextlib.contextmanager
def answered_unread(service: Service, rest: int) -> Iterator[socket.socket]:
    """Send a body of which `rest` bytes are still to come, and have it answered unread."""
    with service.connect() as connection:
        connection.sendall(HEAD + b"%X\r\n" % (len(SENT) + rest) + SENT)
        wait_until(lambda: service.ask("/held") == 1)
        for _ in range(TURNS):  # in each, more of the body is parsed
            service.ask("/held")
        service.ask("/release")
        assert read_answer(connection).startswith(b"HTTP/1.1 200 ")
        yield connection


def test_a_long_body_that_nobody_takes_up_ends_in_time(start: Start) -> None:
    with answered_unread(start(request_timeout=3), rest=9) as connection:
        assert closes_within(connection, 10) == b""


def test_a_long_body_that_nobody_takes_up_holds_no_stop(start: Start) -> None:
    service = start(request_timeout=20)
    with answered_unread(service, rest=9) as connection:
        assert service.stop() == 0

        assert closes_within(connection, 10) == b""
    assert [line for line in service.log if "exceeded" in line["event"]] == []


def test_the_rest_of_it_is_dropped_and_the_next_request_served(start: Start) -> None:
    with answered_unread(start(request_timeout=20), rest=9) as connection:
        connection.sendall(b"x" * 9 + b"\r\n0\r\n\r\n" + LAST)

        assert b'"/last"' in closes_within(connection, 10)
