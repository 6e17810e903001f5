"""Causes of outages, logged at most once a minute: they are seen but do not fill the log."""

import time
from collections.abc import Callable

import structlog

from keyfob.core.problems import Problem, in_one_line

log = structlog.get_logger("keyfob.outages")

_EVERY = 60.0  # seconds

# A kind is a part and the class of a fault, so there are few. Any more are not logged.
_MOST_KINDS = 200


class Outages:
    """Logs the cause of each kind of outage, at most once a minute per kind."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._told: dict[tuple[str, str], float] = {}

    def tell_problem(self, problem: Problem) -> None:
        """Log why requests are refused with status 503."""
        cause = problem.__cause__
        if self._is_due(problem.code, type(cause or problem).__name__):
            log.warning("unavailable", problem=problem.code, cause=in_one_line(problem))

    def tell_part(self, part: str, fault: BaseException | str) -> None:
        """Log why a part of the service is not ready."""
        if self._is_due(part, type(fault).__name__):
            cause = in_one_line(fault) if isinstance(fault, Problem) else str(fault) or repr(fault)
            log.warning("not_ready", part=part, cause=cause)

    def _is_due(self, part: str, kind: str) -> bool:
        now, key = self._now(), (part, kind)
        is_one_too_many = key not in self._told and len(self._told) >= _MOST_KINDS
        if is_one_too_many or now - self._told.get(key, -_EVERY) < _EVERY:
            return False
        self._told[key] = now
        return True
