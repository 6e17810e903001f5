"""Why a token is not believed. The caller is never told; the log is."""


class TokenRejected(Exception):
    """The token cannot be believed; `reason` is a short, stable word for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NoSigningKey(Exception):
    """The keyring holds no key that may sign now."""
