import contextlib
import select
import signal
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException

import psutil
import pytest
from tests.serving.conftest import Service, Start, closes_within, read_answer, wait_until

from keyfob.serving.connections import FAREWELL, HURRY, TICK

pytestmark = pytest.mark.slow

ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HOLD = b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"


class Visitor(threading.Thread):
    """Sends requests, on kept and on new connections, until the server has ended."""

    def __init__(self, service: Service) -> None:
        super().__init__(daemon=True)
        self.service = service
        self.answered = 0
        self.faults: list[str] = []

    def run(self) -> None:
        while not self.faults:
            connection = HTTPConnection("127.0.0.1", self.service.port, timeout=20)
            try:
                connection.connect()
            except ConnectionRefusedError:
                return
            try:
                self._ask_often(connection)
            except (OSError, HTTPException) as fault:
                self.faults.append(repr(fault))
            finally:
                connection.close()

    def _ask_often(self, connection: HTTPConnection) -> None:
        """Ask on one connection; whoever was long in asking again may find it closed, and goes."""
        for _ in range(10):
            if select.select([connection.sock], [], [], 0)[0]:
                return
            connection.request("GET", "/slow")
            answer = connection.getresponse()
            answer.read()
            self.answered += answer.status == 200
            if answer.will_close:
                return


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_under_load_resets_nobody(start: Start, workers: int) -> None:
    service = start(workers=workers)
    visitors = [Visitor(service) for _ in range(16)]
    for visitor in visitors:
        visitor.start()
    wait_until(lambda: all(visitor.answered > 10 for visitor in visitors))

    code = service.stop()
    for visitor in visitors:
        visitor.join(timeout=20)

    assert code == 0
    assert [fault for visitor in visitors for fault in visitor.faults] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_under_way_is_answered_and_then_closed(start: Start, number: int) -> None:
    service = start()
    with service.connect() as holding, service.connect() as idle, service.connect() as helper:
        holding.sendall(HOLD)
        idle.sendall(ASK)
        assert read_answer(idle).startswith(b"HTTP/1.1 200 ")
        wait_until(lambda: service.ask("/held") == 1)
        helper.sendall(b"POST /release HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx")
        wait_until(lambda: service.ask("/held") == 1)
        service.process.send_signal(number)

        assert closes_within(idle, 20) == b""
        helper.sendall(b"x")  # a request that has half arrived is still taken
        assert b"connection: close" in closes_within(helper, 20)
        assert b"connection: close" in closes_within(holding, 20)
    assert service.process.wait(timeout=10) == 0


@contextlib.contextmanager
def deaf_at_the_stop(service: Service) -> Iterator[None]:
    """Stop a service that has not looked for input since before the block."""
    with service.connect() as blocking:
        blocking.sendall(b"GET /block HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until((service.folder / "blocked").exists)
        yield
        service.process.terminate()
        (service.folder / "go").touch()
        assert service.process.wait(timeout=10) == 0


def test_a_request_that_the_stop_crosses_on_a_kept_connection_is_answered(start: Start) -> None:
    service = start()
    with service.connect() as kept:
        kept.sendall(ASK)
        read_answer(kept)
        with deaf_at_the_stop(service):
            kept.sendall(ASK)

        assert b"connection: close" in closes_within(kept, 20)


def test_a_request_that_crosses_the_end_of_its_connection_is_answered(start: Start) -> None:
    service = start()
    with service.connect() as kept, service.connect() as blocking:
        for connection in (kept, blocking):
            connection.sendall(ASK)
            read_answer(connection)
        service.process.terminate()
        wait_until(lambda: any(line["event"] == "Shutting down" for line in service.log))
        blocking.sendall(b"GET /block HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until((service.folder / "blocked").exists)
        kept.sendall(ASK)
        threading.Event().wait(FAREWELL + TICK)  # its time is up before anybody looks at it
        (service.folder / "go").touch()

        assert b"connection: close" in closes_within(kept, 20)
    assert service.process.wait(timeout=10) == 0


def test_a_connection_that_waits_to_be_accepted_at_the_stop_is_answered(start: Start) -> None:
    service = start()
    with deaf_at_the_stop(service):
        waiting = socket.create_connection(("127.0.0.1", service.port), timeout=20)
        waiting.sendall(ASK)

    with waiting:
        assert b"connection: close" in closes_within(waiting, 20)


def test_a_stop_does_not_wait_beyond_the_grace_time(start: Start) -> None:
    service = start(shutdown_grace=1)
    with service.connect() as holding:
        holding.sendall(HOLD)
        wait_until(lambda: service.ask("/held") == 1)

        assert service.stop() == 0


def test_a_stop_waits_for_a_request_at_work_longer_than_for_clients(start: Start) -> None:
    service = start(shutdown_grace=HURRY + 2)
    with service.connect() as holding:
        holding.sendall(HOLD)
        wait_until(lambda: service.ask("/held") == 1)

        assert service.stop() == 0
    (line,) = [line for line in service.log if "exceeded" in line["event"]]
    assert "1 running task" in line["event"]


def test_a_client_that_reads_no_answer_does_not_hold_a_stop_up(start: Start) -> None:
    service = start(request_timeout=20)
    with socket.socket() as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.connect(("127.0.0.1", service.port))
        stalled.sendall(b"GET /flood HTTP/1.1\r\nHost: a\r\n\r\n")
        stalled.recv(1)  # it has begun

        assert service.stop() == 0
    assert [line for line in service.log if "exceeded" in line["event"]] == []


def test_half_a_request_does_not_hold_a_stop_up(start: Start) -> None:
    service = start(request_timeout=20)
    with service.connect() as head, service.connect() as body:
        head.sendall(b"GET / HT")
        body.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx")
        service.ask()

        assert service.stop() == 0
        for connection in (head, body):
            assert closes_within(connection, 1).startswith(b"HTTP/1.1 408 ")
    assert [line for line in service.log if "exceeded" in line["event"]] == []


def test_a_second_interrupt_does_not_wait(start: Start) -> None:
    service = start(shutdown_grace=20)
    with service.connect() as holding:
        holding.sendall(HOLD)
        wait_until(lambda: service.ask("/held") == 1)
        service.process.send_signal(signal.SIGINT)
        wait_until(lambda: any(line["event"] == "Shutting down" for line in service.log))

        service.process.send_signal(signal.SIGINT)
        service.process.wait(timeout=10)


def test_a_worker_that_is_still_starting_keeps_nobody_waiting_at_the_stop(start: Start) -> None:
    service = start("create_app_once", workers=2)
    late = service.folder / "starting"
    wait_until(late.exists)
    starting = psutil.Process(int(late.read_text()))
    (ready,) = set(service.workers) - {starting}
    starting.suspend()  # on a busy machine it may take long to die
    wait_until(lambda: starting.status() == psutil.STATUS_STOPPED)
    try:
        service.process.terminate()
        ready.wait(timeout=10)

        with pytest.raises(ConnectionRefusedError), service.connect():
            pass
    finally:
        starting.resume()
    assert service.process.wait(timeout=10) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_an_application_that_does_not_start_ends_the_service(start: Start, workers: int) -> None:
    service = start("create_broken_app", wait=False, workers=workers)

    assert service.process.wait(timeout=40) == 1
    assert any("lifespan" in line["event"] for line in service.log)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_endless_answer_is_told_of_the_stop(start: Start, workers: int) -> None:
    service = start(workers=workers, shutdown_grace=60)
    with service.connect() as connection:
        connection.sendall(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        received = b""
        while b"begun" not in received:
            received += connection.recv(4096)
        stopping = threading.Thread(target=service.stop)
        stopping.start()
        received += closes_within(connection, 20)
        stopping.join()

    assert received.endswith(b"ended\n\r\n0\r\n\r\n")
    assert not [line for line in service.log if line["level"] == "error"]
