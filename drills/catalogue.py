"""The drills by name. A new one is a module of `drills.scenes` and a line here."""

from collections.abc import Callable, Coroutine
from typing import Any

from drills.harness.crowd import Size
from drills.harness.outcome import Outcome
from drills.scenes import workers

Drill = Callable[[Size], Coroutine[Any, Any, Outcome]]

# Each drill's docstring is its part of docs/drills.md.
DRILLS: dict[str, Drill] = {
    "worker-killed": workers.worker_killed,
}
