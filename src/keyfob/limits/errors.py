"""Refusals of the throttles."""

from keyfob.core.problems import TooManyRequests


class TooManyAttempts(TooManyRequests):
    """Too many failed sign-ins for this account; the same for unknown accounts."""

    code = "too_many_attempts"
    title = "Too many attempts to sign in; try again later"
