"""The signals that end a process from outside: the first one counts, and its end is orderly."""

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

# A supervisor's, Ctrl+C, and that of a terminal that closes.
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

Handler = Callable[[int, FrameType | None], object]
_Former = Mapping[signal.Signals, Handler | int | None]

# Those that came while they were held back.
_held: list[int] = []


def end_in_order(code: int | None = None) -> None:
    """Raise SystemExit at the first of these signals, and hear none after it.

    Else a command would leave the PostgreSQL running that it started. A terminal that closes often
    tells twice: the kernel does, and then the shell.

    Args:
        code: the exit code; by default what a shell shows for a process that a signal ended.
    """

    def end(number: int, _: FrameType | None) -> None:
        _hand_to(signal.SIG_IGN)
        _held.clear()
        sys.exit(128 + number if code is None else code)

    _hand_to(end)


@contextmanager
def ending_heard_by(handler: Handler) -> Iterator[None]:
    """Have a handler hear these signals during the block; once one was heard, none is after it.

    Else whoever insists would cut short what comes after the block.
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
    """Hold these signals back during the block, for what must not be cut off just anywhere.

    They are heard at its end, or at a `pause` in it.
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
    """Sleep, in a wait that may be given up.

    Raises:
        SystemExit: a signal is held back, and will be heard.
    """
    time.sleep(seconds)
    if _held:
        sys.exit(128 + _held[0])


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hear none of these signals during the block, which is short and must come to its end."""
    former = _hand_to(signal.SIG_IGN)
    try:
        yield
    finally:
        _give_back(former)


def _hand_to(handler: Handler | signal.Handlers) -> _Former:
    """Have these signals heard by another; return who heard them."""
    former = {number: signal.getsignal(number) for number in ENDING}
    # What the process was started deaf to (`nohup`) it stays deaf to.
    former = {number: one for number, one in former.items() if one is not signal.SIG_IGN}
    _give_back(dict.fromkeys(former, handler))
    return former


def _give_back(handlers: _Former) -> None:
    # Python lets the main thread alone decide; in another, whoever started it sees to its end.
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            signal.signal(number, handler)
