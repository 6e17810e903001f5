import contextlib
import json
import signal
from collections import Counter
from urllib.request import urlopen

import psutil
import pytest
from tests.serving.conftest import Service, Start, read_answer, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def pair(start: Start) -> Service:
    return start(workers=2, metrics=True, metrics_port=0)


def metric(service: Service, name: str) -> float:
    port = wait_until(lambda: [n["port"] for n in service.log if n["event"] == "metrics"])[0]
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def both_answer(service: Service) -> set[int]:
    """Return the answering workers, once there are two."""
    seen: set[int] = set()

    def ask() -> set[int]:
        seen.add(service.ask()["pid"])
        return seen if len(seen) == 2 else set()

    return wait_until(ask)


def test_a_killed_worker_is_missed_by_nobody_and_replaced(pair: Service) -> None:
    first, second = sorted(both_answer(pair))
    wait_until(lambda: metric(pair, "served_alive") == 2)
    counted = metric(pair, "served_calls_total")
    psutil.Process(first).kill()
    wait_until(lambda: not psutil.pid_exists(first))

    assert pair.ask()["pid"] != first
    wait_until(lambda: len(pair.workers) == 2)
    assert second in {worker.pid for worker in pair.workers}
    newcomer = wait_until(lambda: pair.ask()["pid"] not in {first, second})
    assert newcomer
    assert metric(pair, "served_calls_total") > counted  # what the dead one counted stays
    wait_until(lambda: metric(pair, "served_alive") == 2)
    ended = [line for line in pair.log if line["event"] == "worker_ended"]
    assert [(line["worker"], line["exit_code"]) for line in ended] == [(first, -signal.SIGKILL)]


def test_workers_share_connections_evenly(pair: Service) -> None:
    both_answer(pair)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(pair.connect()) for _ in range(40)]
        seen = Counter()
        for connection in connections:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            seen[json.loads(read_answer(connection).partition(b"\r\n\r\n")[2])["pid"]] += 1

    assert min(seen.values()) >= 5


def test_a_worker_that_is_stuck_does_not_hold_up_the_other(pair: Service) -> None:
    first, second = both_answer(pair)
    stuck = psutil.Process(first)
    stuck.suspend()
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(50):
                connection = stack.enter_context(pair.connect())
                connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert f'"pid": {second}'.encode() in read_answer(connection)
    finally:
        stuck.resume()


def test_metrics_are_the_sum_of_all_workers(pair: Service) -> None:
    both_answer(pair)
    before = metric(pair, "served_calls_total")
    for _ in range(10):
        pair.ask()

    assert metric(pair, "served_calls_total") == before + 10
    wait_until(lambda: metric(pair, "served_alive") == 2)


def test_workers_do_not_outlive_their_parent(pair: Service) -> None:
    both_answer(pair)
    workers = pair.workers
    pair.process.kill()
    pair.process.wait(timeout=10)

    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []


def test_an_interrupt_from_the_keyboard_reaches_all_and_stops_cleanly(pair: Service) -> None:
    both_answer(pair)
    workers = pair.workers
    for worker in workers:
        worker.send_signal(signal.SIGINT)

    assert pair.stop(signal.SIGINT) == 0
    assert not any(worker.is_running() for worker in workers)
    assert not any(line["event"] == "worker_ended" for line in pair.log)
