"""`python -m keyfob.cli.serving.worker`: what the supervisor starts; not for people."""

import pickle
import signal
import socket
import sys

from keyfob.cli.serving.process import run_worker
from keyfob.core.telemetry import configure_logging


def main() -> int:
    """Serve on inherited sockets: the arguments are the lifeline's and the listeners' numbers."""
    # Ctrl+C reaches the whole group; the supervisor alone decides when workers stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lifeline, *listeners = [socket.socket(fileno=int(number)) for number in sys.argv[1:]]
    with lifeline.makefile("rb") as letter:
        settings, app = pickle.load(letter)  # noqa: S301 - written by our parent, on our own pipe
    configure_logging(settings.log_level, settings.log_format)
    return run_worker(
        settings,
        sockets=listeners,
        app=app,
        on_started=lambda: lifeline.sendall(b"+"),
        lifeline=lifeline,
    )


if __name__ == "__main__":
    sys.exit(main())
