"""Refusals of what users do with their own accounts."""

from keyfob.core.problems import Problem


class NoPassword(Problem):
    """The account signs in otherwise, or was invited and has not chosen a password yet."""

    status = 409
    code = "no_password"
    title = "This account has no password; choose the first one by POST /recover/request"
