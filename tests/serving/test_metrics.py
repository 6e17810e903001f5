import socket
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, Counter
from tests.serving.conftest import Start, wait_until

from keyfob.serving.metrics import serve_metrics
from keyfob.settings import Settings

pytestmark = pytest.mark.slow


def test_one_process_serves_its_own_registry(start: Start) -> None:
    service = start(metrics=True, metrics_port=0)
    service.ask()
    port = wait_until(lambda: [n["port"] for n in service.log if n["event"] == "metrics"])[0]

    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert b"served_calls_total 1.0" in answer.read()
    with service.connect() as silent, socket.create_connection(("127.0.0.1", port)):
        assert silent.fileno() > 0
        assert service.stop() == 0  # nobody who hangs on the metrics holds up the stop


def test_a_taken_port_is_a_warning(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        service = start(metrics=True, metrics_port=other.getsockname()[1])

        assert service.ask()["path"] == "/"
        [warning] = [line for line in service.log if line["event"] == "no_metrics"]
        assert warning["reason"] == "the port is taken"
        assert "KEYFOB_METRICS_PORT" in warning["advice"]


def test_metrics_listen_on_six_and_can_be_off() -> None:
    registry = CollectorRegistry()
    Counter("here", "Made for this test.", registry=registry)
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as other:
        port = other.getsockname()[1]
    with (
        serve_metrics(Settings(metrics_host="::1", metrics_port=port), registry),
        urlopen(f"http://[::1]:{port}/", timeout=10) as answer,
    ):
        assert b"here_total 0.0" in answer.read()
    with serve_metrics(Settings(metrics=False, metrics_host="::1", metrics_port=port), registry):
        socket.create_server(("::1", port), family=socket.AF_INET6).close()
