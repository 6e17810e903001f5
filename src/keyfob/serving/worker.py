"""`python -m keyfob.serving.worker`: started by the supervisor, not by people."""

import pickle
import signal
import socket
import sys

from keyfob.core.telemetry import configure_logging
from keyfob.serving.accepting import Ledger
from keyfob.serving.process import Parent, run_worker


def main() -> int:
    """Serve on sockets that come over the lifeline.

    The arguments are file descriptors: of the ledger and of the lifeline.
    """
    # Ctrl+C and the end of a terminal reach all processes; only the supervisor decides when workers
    # stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    ledger, number = int(sys.argv[1]), int(sys.argv[2])
    lifeline = socket.socket(fileno=number)
    with lifeline.makefile("rb") as letter:
        settings, app, slot = pickle.load(letter)  # noqa: S301 - written by our parent, on our own pipe
    configure_logging(settings.log_level, settings.log_format)
    return run_worker(
        settings,
        app=app,
        on_started=lambda: lifeline.sendall(b"+"),
        parent=Parent(lifeline, Ledger(ledger, slot)),
    )


if __name__ == "__main__":
    sys.exit(main())
