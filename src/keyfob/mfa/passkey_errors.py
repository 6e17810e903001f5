"""Refusals of adding passkeys."""

from keyfob.core.problems import Problem


class InvalidPasskey(Problem):
    """What the browser made is no passkey that can be added here; the log tells why."""

    status = 400
    code = "invalid_passkey"
    title = "This passkey cannot be added; ask for new options and try again"


class PasskeyTaken(Problem):
    """The credential is registered already, with this account or with another."""

    status = 409
    code = "passkey_taken"
    title = "This passkey is registered already"
