"""The HTTP server behind `keyfob serve`: listeners, workers, guarded connections, metrics."""

from keyfob.serving.listeners import CannotListen, open_listeners
from keyfob.serving.supervisor import serve

__all__ = ["CannotListen", "open_listeners", "serve"]
