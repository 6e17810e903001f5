"""What many connections of one client do in the same moment is taken up in turns of the clients."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from tests.serving.conftest import Service, Start, read_answer, wait_until

pytestmark = pytest.mark.slow

ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
# Whoever sends it hears `100 Continue` once the application waits for the body.
HEAD = ASK.replace(b"GET", b"POST")[:-2] + b"Transfer-Encoding: chunked\r\n"
HEAD += b"Expect: 100-continue\r\n\r\n"
OTHER = "127.0.0.2"
MANY = 200
TIMEOUT = 3


def send_a_piece(many: list[socket.socket]) -> None:
    for connection in many:
        connection.sendall(b"1\r\nx\r\n" * 340)


def send_what_is_refused(many: list[socket.socket]) -> None:
    for connection in many:
        connection.sendall(b"no length\r\n")


def leave(many: list[socket.socket]) -> None:
    for connection in many:
        connection.close()


def be_silent(_many: list[socket.socket]) -> None:
    threading.Event().wait(TIMEOUT)


@contextlib.contextmanager
def held_up(service: Service) -> Iterator[None]:
    """Hold up the loop, so that whatever is done meanwhile is seen at once."""
    with service.connect() as blocking:
        blocking.sendall(b"GET /block HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until((service.folder / "blocked").exists)
        yield
        (service.folder / "go").touch()
        read_answer(blocking)


@pytest.mark.parametrize("act", [send_a_piece, send_what_is_refused, leave, be_silent])
def test_what_many_do_at_once_is_taken_up_in_turns_of_the_clients(
    start: Start, act: Callable[[list[socket.socket]], None]
) -> None:
    service = start(request_timeout=TIMEOUT)
    with contextlib.ExitStack() as stack:
        many = [stack.enter_context(service.connect()) for _ in range(MANY)]
        last = stack.enter_context(service.connect(OTHER))
        last.sendall(ASK)
        read_answer(last)
        for connection in many:
            connection.sendall(HEAD)
            assert read_answer(connection).startswith(b"HTTP/1.1 100 ")
        with held_up(service):
            act(many)
            last.sendall(2 * ASK)
        for _ in range(2):
            assert read_answer(last).startswith(b"HTTP/1.1 200 ")
        told = wait_until(lambda: len(told := service.ask("/told")) >= MANY + 3 and told)

    turns = [turn for turn, address in enumerate(told) if address == OTHER]
    assert turns[2] < MANY / 2
