"""Why a token is not believed. The caller is never told; the log is."""

from keyfob.core.problems import Unavailable


class TokenRejected(Exception):
    """The token cannot be believed; `reason` is a short, stable word for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NoSigningKey(Unavailable):
    """No key was loaded yet: the database was away since the start."""

    code = "no_signing_key"
    title = "The signing keys are not loaded yet; try again soon"
