"""Refusals of passwords."""

from typing import Literal

from keyfob.core.problems import Problem

Reason = Literal["too_short", "too_long", "common", "like_email", "breached"]

_DETAILS: dict[Reason, str] = {
    "too_short": "Use at least 8 characters.",
    "too_long": "Use at most 1,024 characters.",
    "common": "This password is among those that are tried first.",
    "like_email": "This password is too close to the e-mail address or the name.",
    "breached": "This password is known from a data breach.",
}


class WeakPassword(Problem):
    """The password is too weak; the member `reason` says why, for programs."""

    status = 422
    code = "weak_password"
    title = "Choose another password"

    def __init__(self, reason: Reason) -> None:
        super().__init__(_DETAILS[reason], extra={"reason": reason})
        self.reason: Reason = reason
