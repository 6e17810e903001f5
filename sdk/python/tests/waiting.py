"""Waiting for what another thread does."""

import threading
import time
from collections.abc import Callable
from typing import Any

_NEVER_SET = threading.Event()


def wait_until(holds: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Return the first true result; fail if there is none in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := holds():
            return found
        _NEVER_SET.wait(0.01)
    raise AssertionError("what was waited for did not come")
