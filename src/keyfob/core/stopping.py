"""The signals that end a process from outside: the first one counts, and its end is orderly."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

# A supervisor's, Ctrl+C, and that of a terminal that closes.
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

Handler = Callable[[int, FrameType | None], object] | signal.Handlers


def end_in_order(code: int | None = None) -> None:
    """Raise SystemExit at the first of these signals, and hear none after it.

    Else a command would leave the PostgreSQL running that it started. A terminal that closes often
    tells twice: the kernel does, and then the shell.

    Args:
        code: the exit code; by default what a shell shows for a process that a signal ended.
    """

    def end(number: int, _: FrameType | None) -> None:
        _hand_to(signal.SIG_IGN)
        sys.exit(128 + number if code is None else code)

    _hand_to(end)


@contextmanager
def ending_heard_by(handler: Handler) -> Iterator[None]:
    """Have a handler hear these signals during the block, and the former ones after it."""
    before = {number: signal.getsignal(number) for number in ENDING}
    _hand_to(handler)
    try:
        yield
    finally:
        for number, former in before.items():
            _hear(number, former)


def undisturbed() -> AbstractContextManager[None]:
    """Hear none of these signals during the block, which is short and must come to its end."""
    return ending_heard_by(signal.SIG_IGN)


def _hand_to(handler: Handler) -> None:
    for number in ENDING:
        # What the process was started deaf to (`nohup`) it stays deaf to.
        if signal.getsignal(number) is not signal.SIG_IGN:
            _hear(number, handler)


def _hear(number: signal.Signals, handler: Handler | int | None) -> None:
    # Python lets the main thread alone decide; in another, whoever started it sees to its end.
    if threading.current_thread() is threading.main_thread():
        signal.signal(number, handler)
