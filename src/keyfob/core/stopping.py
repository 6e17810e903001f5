"""The signals that end a process: only the first one counts, and the process ends in order."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

# From a supervisor, from Ctrl+C, and from a terminal that closes.
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

Handler = Callable[[int, FrameType | None], object]
_Former = Mapping[signal.Signals, Handler | int | None]

# Signals that came while they were held back.
_held: list[int] = []


def end_in_order(code: int | None = None) -> None:
    """Raise SystemExit at the first of these signals, and ignore the ones after it.

    Otherwise a command would leave behind the PostgreSQL that it started. A terminal that closes
    often signals twice: the kernel does, and then the shell.

    Args:
        code: the exit code; by default the usual one of a process that a signal ended.
    """

    def end(number: int, _: FrameType | None) -> None:
        _hand_to(signal.SIG_IGN)
        _held.clear()
        sys.exit(128 + number if code is None else code)

    _hand_to(end)


@contextmanager
def ending_heard_by(handler: Handler) -> Iterator[None]:
    """Pass these signals to a handler during the block; after the first one, ignore all others.

    Otherwise an impatient second signal would interrupt whatever comes after the block.
    """
    heard = False

    def hear(number: int, frame: FrameType | None) -> None:
        nonlocal heard
        heard = True
        handler(number, frame)

    former = _hand_to(hear)
    try:
        yield
    finally:
        _give_back(dict.fromkeys(former, signal.SIG_IGN) if heard else former)


@contextmanager
def held_back() -> Iterator[None]:
    """Hold these signals back during the block, which must not be interrupted just anywhere.

    They take effect at its end, or at a `pause` in it.
    """
    former = _hand_to(lambda number, _: _held.append(number))
    try:
        yield
    finally:
        _give_back(former)
        if _held:
            first = _held[0]
            _held.clear()
            signal.raise_signal(first)


def pause(seconds: float) -> None:
    """Sleep; the wait may be ended early by a signal.

    Raises:
        SystemExit: a signal was held back and takes effect now.
    """
    time.sleep(seconds)
    if _held:
        sys.exit(128 + _held[0])


@contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore these signals during the block, which is short and must be completed."""
    former = _hand_to(signal.SIG_IGN)
    try:
        yield
    finally:
        _give_back(former)


def _hand_to(handler: Handler | signal.Handlers) -> _Former:
    """Set another handler for these signals; return the former ones."""
    former = {number: signal.getsignal(number) for number in ENDING}
    # Signals that the process ignored from the start (`nohup`) stay ignored.
    former = {number: one for number, one in former.items() if one is not signal.SIG_IGN}
    _give_back(dict.fromkeys(former, handler))
    return former


def _give_back(handlers: _Former) -> None:
    # Python lets only the main thread set handlers; other threads are ended by their starter.
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            signal.signal(number, handler)
