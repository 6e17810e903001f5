"""Refusals of the administration of accounts."""

from keyfob.core.problems import Problem


class UserBlocked(Problem):
    """The account is blocked, so a link could not be used."""

    status = 409
    code = "user_blocked"
    title = "The user is blocked; unblock the account first"
