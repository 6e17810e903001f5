"""Results of a job other than success, and the refusal of administrators' requests."""

from datetime import datetime

from keyfob.core.problems import Problem


class JobNotFound(Problem):
    """There is no dead letter with that id, or it cannot be retried."""

    status = 404
    code = "job_not_found"
    title = "There is no such dead letter"


class TryAgain(Exception):
    """The job failed for now, and is retried later; the reason contains no address and no secret.

    `for_all`: the cause affects all jobs of this kind, such as a server that is down. Then one job
    at a time finds out whether it works again, and the others do not use up attempts.

    `slow`: this job took too long, unlike others. From now on it waits among slow ones, and gets
    more time (`Job.is_slow`).

    `until`: it was not even tried, and has no chance before; this is no attempt.
    """

    def __init__(
        self,
        reason: str,
        *,
        for_all: bool = False,
        slow: bool = False,
        until: datetime | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.for_all = for_all
        self.slow = slow
        self.until = until


class GiveUp(Exception):
    """The job cannot succeed and becomes a dead letter; the reason names no address or secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class DoneElsewhere(Exception):
    """Another worker has done this job meanwhile; the work of this one has to be rolled back."""
