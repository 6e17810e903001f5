"""A terminal that closes (SIGHUP) stops the service as SIGTERM does."""

import signal
from collections.abc import Iterator

import pytest
from tests.serving.conftest import Start, closes_within, wait_until


@pytest.mark.parametrize("workers", [1, 2])
def test_what_is_under_way_is_answered_when_the_terminal_closes(start: Start, workers: int) -> None:
    service = start(workers=workers)
    with service.connect() as holding, service.connect() as helper:
        holding.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx")
        helper.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx")
        service.ask()
        # The terminal's word goes to every process of its group, and the shell's may come besides.
        for process in (*service.workers, service.process, service.process):
            process.send_signal(signal.SIGHUP)
        for connection in (holding, helper):
            connection.sendall(b"x")
            assert closes_within(connection, 20).startswith(b"HTTP/1.1 200 ")

    assert service.process.wait(timeout=15) == 0
    assert not any(line["event"] == "worker_ended" for line in service.log)


@pytest.fixture
def hang_ups_ignored() -> Iterator[None]:
    """As `nohup` starts a program."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGHUP, before)


def test_under_nohup_it_goes_on(hang_ups_ignored: None, start: Start) -> None:
    service = start(drain_delay=600)

    service.process.send_signal(signal.SIGHUP)

    assert service.ask()["leaving"] is False  # as it is from the moment that a stop is heard
    assert service.stop(signal.SIGINT) == 0


def test_under_nohup_a_worker_that_dies_is_replaced(hang_ups_ignored: None, start: Start) -> None:
    service = start(workers=2)
    old = {worker.pid for worker in service.workers}
    for process in (*service.workers, service.process):
        process.send_signal(signal.SIGHUP)

    service.workers[0].kill()

    wait_until(lambda: service.ask()["pid"] not in old)
    assert service.stop() == 0
