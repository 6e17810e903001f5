"""Prometheus metrics on an address of their own: of this process, or of all workers together."""

import contextlib
import errno
import tempfile
from collections.abc import Generator
from pathlib import Path

import structlog
from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from keyfob.settings import Settings

log = structlog.get_logger("keyfob.serving")

_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@contextlib.contextmanager
def serve_metrics(settings: Settings, registry: Collector = REGISTRY) -> Generator[None]:
    """Serve a registry, by default this process's own, during the block.

    A port that is taken does not prevent the start (two instances on one machine are common); it is
    logged as a warning.
    """
    if not settings.metrics:
        yield
        return
    try:
        server, _ = start_http_server(settings.metrics_port, settings.metrics_host, registry)
    except OSError as fault:
        _warn(settings, fault)
        yield
        return
    log.info("metrics", host=settings.metrics_host, port=server.server_port)
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


def _warn(settings: Settings, fault: OSError) -> None:
    log.warning(
        "no_metrics",
        host=settings.metrics_host,
        port=settings.metrics_port,
        reason="the port is taken" if fault.errno == errno.EADDRINUSE else str(fault),
        advice="set KEYFOB_METRICS_PORT to another port",
    )
