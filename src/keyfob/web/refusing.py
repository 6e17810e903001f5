"""Pages that say why something was not done."""

from dataclasses import dataclass, field
from typing import ClassVar

from keyfob.core.problems import Problem
from keyfob.core.telemetry import current_request_id


@dataclass(frozen=True, kw_only=True)
class RefusedPage:
    """A refusal: its status and code, for how long to wait, and the form to send again.

    `retry_after` is in seconds; `again` are the fields of a form that may be sent again to
    `action`, without passwords.
    """

    template: ClassVar[str] = "refused.html"

    status: int
    code: str
    request_id: str
    retry_after: int | None = None
    action: str = ""
    again: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def of(
        cls, problem: Problem, action: str = "", again: list[tuple[str, str]] | None = None
    ) -> "RefusedPage":
        wait = problem.headers.get("Retry-After", "")
        return cls(
            status=problem.status,
            code=problem.code,
            request_id=current_request_id(),
            retry_after=int(wait) if wait.isdigit() else None,
            action=action,
            again=again or [],
        )


@dataclass(frozen=True, kw_only=True)
class UnsafePage:
    """Says that nobody can sign in over plain http from another machine."""

    template: ClassVar[str] = "unsafe.html"


@dataclass(frozen=True, kw_only=True)
class OtherUserPage:
    """Says that a form is another user's than who is signed in now, and leads to `onward`."""

    template: ClassVar[str] = "other_user.html"

    onward: str
