"""Prometheus metrics on an address of their own: of this process, or of all workers together."""

import contextlib
import errno
import socket
import tempfile
import threading
from collections.abc import Generator
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import structlog
from prometheus_client import REGISTRY, CollectorRegistry, make_wsgi_app
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from keyfob.settings import Settings

log = structlog.get_logger("keyfob.serving")

_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


class _Handler(WSGIRequestHandler):
    timeout = 5  # seconds; a slower scraper is cut off

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
        pass


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        # HTTPServer's own looks up the host's name, which may take seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()


class _Server6(_Server):
    address_family = socket.AF_INET6


@contextlib.contextmanager
def serve_metrics(settings: Settings, registry: Collector = REGISTRY) -> Generator[None]:
    """Serve a registry, by default this process's own, during the block.

    A port that is taken does not prevent the start (two instances on one machine are common); it is
    logged as a warning.
    """
    server = _open(settings, registry) if settings.metrics else None
    if server is None:
        yield
        return
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True, name="metrics").start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def shared_metrics(settings: Settings) -> Generator[Path | None]:
    """Serve the sum of all workers during the block; yields the folder that they share, if any."""
    if not settings.metrics:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="keyfob-metrics-") as folder:
        registry = CollectorRegistry()
        MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call] # not typed there
        with serve_metrics(settings, registry):
            yield Path(folder)


def worker_environment(folder: Path | None) -> dict[str, str]:
    """Return the environment variables that direct a worker's metrics to the shared folder."""
    return {_FOLDER_VARIABLE: str(folder)} if folder else {}


def forget_process(folder: Path, pid: int) -> None:
    """Remove the gauges of a worker that has ended; its counters stay."""
    mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call] # not typed there


def _open(settings: Settings, registry: Collector) -> WSGIServer | None:
    kind = _Server6 if ":" in settings.metrics_host else _Server
    try:
        server = kind((settings.metrics_host, settings.metrics_port), _Handler)
    except OSError as fault:
        reason = "the port is taken" if fault.errno == errno.EADDRINUSE else str(fault)
        log.warning(
            "no_metrics",
            host=settings.metrics_host,
            port=settings.metrics_port,
            reason=reason,
            advice="set KEYFOB_METRICS_PORT to another port",
        )
        return None
    server.set_app(make_wsgi_app(registry))
    log.info("metrics", host=settings.metrics_host, port=server.server_port)
    return server
