"""One client's connections and requests leave places for others; alone, it may have all."""

import contextlib
import select
import socket
from collections.abc import Iterator

import psutil
import pytest
from tests.serving.conftest import Service, Start, closes_within, read_answer, wait_until

pytestmark = pytest.mark.slow

ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
# Whoever sends it hears `100 Continue` once it is at work.
HOLD = b"GET /hold HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"
BODY = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
LAST = b"GET /held HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
OTHER = "127.0.0.2"
THIRD = "127.0.0.3"


@contextlib.contextmanager
def at_work(
    service: Service, amount: int, source: str = "127.0.0.1"
) -> Iterator[list[socket.socket]]:
    """Hold so many requests of one address, each on a connection of its own, in that order."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(service.connect(source)) for _ in range(amount)]
        for connection in connections:
            connection.sendall(HOLD)
            assert read_answer(connection).startswith(b"HTTP/1.1 100 ")
        yield connections


def are_open(connections: list[socket.socket]) -> list[bool]:
    return [not select.select([connection], [], [], 0)[0] for connection in connections]


def say(service: Service, source: str) -> bytes:
    with service.connect(source) as connection:
        connection.sendall(LAST)
        return closes_within(connection, 10)


@pytest.fixture
def small(start: Start) -> Iterator[Service]:
    """Eight connections, and no time-out for a held request."""
    service = start(max_connections=8, request_timeout=20, shutdown_grace=1)
    yield service
    service.ask("/release")


def test_a_client_at_work_on_every_connection_gives_way_to_another(small: Service) -> None:
    with at_work(small, 8) as connections:
        assert say(small, OTHER).startswith(b"HTTP/1.1 200 ")
        told = closes_within(connections[7], 10)
        assert told.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1" in told.lower()
        assert are_open(connections[:7]) == [True] * 7


def test_it_gives_way_to_its_own_alone_where_it_has_more_than_its_share(small: Service) -> None:
    with at_work(small, 2, OTHER) as others, at_work(small, 6) as connections:
        assert say(small, "127.0.0.1").startswith(b"HTTP/1.1 503 ")
        assert are_open(others + connections) == [True] * 8


def test_who_has_least_displaces_who_has_most_and_nobody_else(small: Service) -> None:
    with at_work(small, 2, OTHER) as others, at_work(small, 6) as connections:
        assert say(small, THIRD).startswith(b"HTTP/1.1 200 ")
        assert are_open(others) == [True] * 2
        assert are_open(connections) == [True] * 5 + [False]


def test_what_it_does_not_use_goes_before_what_is_at_work(small: Service) -> None:
    with small.connect() as idle, at_work(small, 7) as connections:
        idle.sendall(ASK)
        read_answer(idle)
        assert say(small, OTHER).startswith(b"HTTP/1.1 200 ")
        assert closes_within(idle, 10) == b""
        assert are_open(connections) == [True] * 7


def test_coming_again_and_again_displaces_nobody_else(small: Service) -> None:
    with small.connect(OTHER) as kept, at_work(small, 7):
        kept.sendall(ASK)
        read_answer(kept)
        with contextlib.ExitStack() as stack:
            for _ in range(20):
                stack.enter_context(small.connect()).sendall(b"GET / HTTP/1.1\r\n")
            kept.sendall(LAST)
            assert closes_within(kept, 10).startswith(b"HTTP/1.1 200 ")


def test_a_trusted_proxy_may_have_every_connection(start: Start) -> None:
    service = start(
        max_connections=8, request_timeout=20, shutdown_grace=1, trusted_proxies="127.0.0.1/32"
    )
    with at_work(service, 8) as connections:
        assert say(service, OTHER).startswith(b"HTTP/1.1 503 ")
        assert are_open(connections) == [True] * 8
    service.ask("/release")


def test_requests_that_come_at_once_begin_in_turns_of_the_clients(start: Start) -> None:
    service = start(request_timeout=20)
    with contextlib.ExitStack() as stack:
        many = [stack.enter_context(service.connect()) for _ in range(200)]
        last = stack.enter_context(service.connect(OTHER))
        for connection in (*many, last):
            connection.sendall(ASK)
            read_answer(connection)
        begun = len(service.ask("/callers"))
        with service.connect() as blocking:
            blocking.sendall(b"GET /block HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until((service.folder / "blocked").exists)
            for connection in (*many, last):
                connection.sendall(ASK)
            (service.folder / "go").touch()
            for connection in (*many, last):
                assert read_answer(connection).startswith(b"HTTP/1.1 200 ")

        callers = service.ask("/callers")[begun + 1 :]
        assert callers.index(OTHER) < 40
        assert len(callers) == 202  # and of the others, each came in its turn


def test_bodies_that_come_whole_at_once_are_read_in_turns_of_the_clients(start: Start) -> None:
    service = start(request_timeout=20)
    with contextlib.ExitStack() as stack:
        many = [stack.enter_context(service.connect()) for _ in range(200)]
        last = stack.enter_context(service.connect(OTHER))
        last.sendall(ASK)
        read_answer(last)
        for connection in many:
            connection.sendall(BODY)
            assert read_answer(connection).startswith(b"HTTP/1.1 100 ")
            connection.sendall(b"ab")
        read = len(service.ask("/read"))
        with service.connect() as blocking:
            blocking.sendall(b"GET /block HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until((service.folder / "blocked").exists)
            for connection in many:
                connection.sendall(b"c")
            last.sendall(ASK)
            (service.folder / "go").touch()
            for connection in (*many, last):
                answer = read_answer(connection)
                assert answer.startswith(b"HTTP/1.1 200 ")
                assert (b'"body": 3' in answer) == (connection is not last)

        readers = service.ask("/read")[read:]
        assert readers.index(OTHER) < 40
        assert len(readers) == 201


def test_what_takes_long_to_parse_is_parsed_in_turns_of_the_clients(start: Start) -> None:
    service = start(request_timeout=20)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    # As many empty lines as a body may have, and more than one turn takes.
    line_breaks = b"7D0\r\n" + b"\r\n" * 1000 + b"\r\n0\r\n\r\n"
    with contextlib.ExitStack() as stack:
        many = [stack.enter_context(service.connect()) for _ in range(40)]
        last = stack.enter_context(service.connect(OTHER))
        for connection in (*many, last):
            connection.sendall(ASK)
            read_answer(connection)
        read = len(service.ask("/read"))
        with service.connect() as blocking:
            blocking.sendall(b"GET /block HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_until((service.folder / "blocked").exists)
            for connection in many:
                connection.sendall(head + line_breaks)
            last.sendall(ASK)
            (service.folder / "go").touch()
            for connection in (*many, last):
                assert read_answer(connection).startswith(b"HTTP/1.1 200 ")

        readers = service.ask("/read")[read:]
        assert readers.index(OTHER) == 0
        assert len(readers) == 41


def test_what_is_sent_ahead_of_an_answer_holds_no_memory(start: Start) -> None:
    service = start(request_timeout=20, shutdown_grace=1)
    process = psutil.Process(service.process.pid)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(service.connect()) for _ in range(500)]
        for connection in connections:
            connection.sendall(HOLD)
            read_answer(connection)
        before = process.memory_info().rss
        for connection in connections:
            connection.sendall(ASK * 31)
        service.ask()

        assert process.memory_info().rss - before < 16 * 2**20
        service.ask("/release")
        for connection in connections:
            said = b"".join(read_answer(connection) for _ in range(32))
            assert said.count(b"HTTP/1.1 200 ") == 32
