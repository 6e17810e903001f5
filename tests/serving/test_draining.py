"""A delayed stop: load balancers notice it first, and nothing is refused meanwhile."""

import signal

import pytest
from tests.serving.conftest import Start, closes_within, read_answer, wait_until

pytestmark = pytest.mark.slow

ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("workers", [1, 2])
def test_new_connections_are_served_until_the_delay_is_over(start: Start, workers: int) -> None:
    service = start(workers=workers, drain_delay=600)
    wait_until(lambda: len({service.ask()["pid"] for _ in range(20)}) == workers)
    with service.connect() as kept:
        kept.sendall(ASK)
        assert b'"leaving": false' in read_answer(kept)

        service.process.send_signal(signal.SIGTERM)

        wait_until(lambda: service.ask()["leaving"])  # on a new connection each time
        # The worker of this connection may hear of it a moment after the other.
        answer = b""
        while b'"leaving": true' not in answer:
            kept.sendall(ASK)
            answer = read_answer(kept)
            assert b"connection: close" not in answer.lower()
        served = set()
        while len(served) < workers:  # which worker takes a connection is the system's choice
            told = service.ask()
            assert told["leaving"]
            served.add(told["pid"])
        service.process.send_signal(signal.SIGTERM)
        assert closes_within(kept, 20) == b""  # and then it ends as ever
    assert service.process.wait(timeout=20) == 0


def test_it_stops_by_itself_once_the_delay_is_over(start: Start) -> None:
    service = start(drain_delay=1)

    assert service.stop() == 0


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("again", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_waits_no_longer(start: Start, workers: int, again: int) -> None:
    service = start(workers=workers, drain_delay=600)
    service.process.send_signal(signal.SIGTERM)
    wait_until(lambda: service.ask()["leaving"])

    assert service.stop(again) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_who_stops_it_by_hand_does_not_wait(start: Start, workers: int) -> None:
    service = start(workers=workers, drain_delay=600)

    assert service.stop(signal.SIGINT) == 0


def test_a_worker_that_is_replaced_meanwhile_knows(start: Start) -> None:
    service = start(workers=2, drain_delay=600)
    service.process.send_signal(signal.SIGTERM)
    wait_until(lambda: service.ask()["leaving"])
    old = {worker.pid for worker in service.workers}

    service.workers[0].kill()

    wait_until(lambda: service.ask()["pid"] not in old)
    assert all(service.ask()["leaving"] for _ in range(20))
    assert service.stop() == 0
