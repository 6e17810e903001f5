"""A terminal that closes (SIGHUP) stops the service as SIGTERM does."""

import signal
from collections.abc import Iterator

import pytest
from tests.cli.serving.conftest import Start, closes_within


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
            assert closes_within(connection, 5).startswith(b"HTTP/1.1 200 ")

    assert service.process.wait(timeout=15) == 0
    assert not any(line["event"] == "worker_ended" for line in service.log)


@pytest.fixture
def hang_ups_ignored() -> Iterator[None]:
    """As `nohup` starts a program."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("workers", [1, 2])
def test_under_nohup_it_goes_on(hang_ups_ignored: None, start: Start, workers: int) -> None:
    service = start(workers=workers)
    processes = (*service.workers, service.process)
    for process in processes:
        process.send_signal(signal.SIGHUP)

    assert service.ask()
    assert len(service.workers) == (workers if workers > 1 else 0)
    assert service.stop() == 0
