"""Refusals of changes to one's own account."""

from keyfob.core.problems import Problem


class NoPassword(Problem):
    """The account has no password: it signs in otherwise, or has not used its invitation yet."""

    status = 409
    code = "no_password"
    title = "This account has no password; choose the first one by POST /recover/request"
