import contextlib
import select
import socket
import time

import pytest
from tests.serving.conftest import Service, Start, closes_within, read_answer, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def service(impatient: Service) -> Service:
    return impatient


def trickle(connection: socket.socket, piece: bytes, seconds: float) -> bytes:
    """Send a piece repeatedly until the server closes; return the response."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(ConnectionError):
            connection.sendall(piece)
        if select.select([connection], [], [], 0.05)[0]:
            return closes_within(connection, 10)
    raise AssertionError("trickling keeps a connection open")


def test_trickled_headers_are_cut_off_while_others_are_served(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n")

        assert service.ask()["path"] == "/"
        said = trickle(connection, b"X", 10)

    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in said
    assert b'"code": "request_timeout"' in said


def test_a_trickled_body_is_cut_off(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")

        assert trickle(connection, b"x", 10).startswith(b"HTTP/1.1 408 ")


def test_a_trickled_chunked_body_is_cut_off(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")

        assert trickle(connection, b"1\r\nx\r\n", 10).startswith(b"HTTP/1.1 408 ")


def test_a_trickled_second_request_is_cut_off(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_answer(connection).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET / HTTP/1.1\r\n")

        assert trickle(connection, b"X", 10).startswith(b"HTTP/1.1 408 ")


def test_a_body_that_nobody_waits_for_is_cut_off(service: Service) -> None:
    with service.connect() as connection:
        connection.sendall(b"POST /held HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
        assert read_answer(connection).startswith(b"HTTP/1.1 200 ")

        assert trickle(connection, b"x", 10) == b""


def test_four_hundred_half_open_connections_are_closed_and_harm_nobody(service: Service) -> None:
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(service.connect()) for _ in range(400)]
        for number, connection in enumerate(connections):
            if number % 2:
                connection.sendall(b"GET / HTTP/1.1\r\n")

        assert service.ask()["path"] == "/"
        until = time.monotonic() + 20
        for connection in connections:
            closes_within(connection, until - time.monotonic())


def test_a_silent_connection_is_closed_without_a_word(service: Service) -> None:
    with service.connect() as connection:
        assert closes_within(connection, 20) == b""


def test_line_breaks_between_requests_buy_no_time(start: Start) -> None:
    """Uvicorn forgets its keep-alive time-out at such a byte and never sets it again."""
    service = start(shutdown_grace=30)
    with service.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert read_answer(connection).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"\r\n")
        assert service.ask()["path"] == "/"
        service.process.terminate()

        # Idle as far as the stop is concerned, and not in its way.
        assert closes_within(connection, 20) == b""
    assert service.process.wait(timeout=20) == 0


def test_a_client_that_never_reads_is_closed(service: Service) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", service.port))
        connection.sendall(b"GET /flood HTTP/1.1\r\nHost: a\r\n\r\n")
        waiting = select.poll()
        waiting.register(connection, 0)  # errors and hang-ups only: nothing is read

        assert wait_until(lambda: waiting.poll(0), 15)
        assert service.ask()["path"] == "/"


def test_a_client_that_reads_gets_it_all(service: Service) -> None:
    raw = b"GET /flood HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

    assert service.say(raw).count(b"x") == 65536 * 1000


def test_work_in_progress_has_no_such_deadline(start: Start) -> None:
    service = start(request_timeout=1)
    with service.connect() as connection, service.connect() as late:
        connection.sendall(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until(lambda: service.ask("/held") == 1)
        late.sendall(b"GET")
        closes_within(late, 20)  # a whole time-out has passed

        service.ask("/release")
        assert read_answer(connection).startswith(b"HTTP/1.1 200 ")
