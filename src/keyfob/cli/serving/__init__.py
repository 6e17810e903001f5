"""The HTTP server behind `keyfob serve`: listeners, workers, guarded connections, metrics."""

from keyfob.cli.serving.listeners import CannotListen, open_listeners
from keyfob.cli.serving.supervisor import serve

__all__ = ["CannotListen", "open_listeners", "serve"]
