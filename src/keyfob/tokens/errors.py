"""Reasons why a token is rejected, for the log only; the caller never learns them."""

from keyfob.core.problems import Unavailable


class TokenRejected(Exception):
    """The token is not valid; `reason` is a short, stable word for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NoSigningKey(Unavailable):
    """No key is loaded yet: the database has been down since the start."""

    code = "no_signing_key"
    title = "The signing keys are not loaded yet; try again soon"
