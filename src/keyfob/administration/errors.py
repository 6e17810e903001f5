"""Refusals of administering accounts."""

from keyfob.core.problems import Problem


class UserBlocked(Problem):
    """A link would open nothing: the account is blocked."""

    status = 409
    code = "user_blocked"
    title = "The user is blocked; unblock the account first"
