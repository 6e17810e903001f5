"""Refusals of signing in."""

from keyfob.core.problems import Problem


class InvalidCredentials(Problem):
    """Unknown e-mail or wrong password; the answer never says which."""

    status = 401
    code = "invalid_credentials"
    title = "The e-mail or the password is wrong"

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})


class AccountBlocked(Problem):
    """The password was right, the account may not sign in. Said only after the right password."""

    status = 403
    code = "account_blocked"
    title = "This account is blocked"


class PasswordChangeRequired(Problem):
    """The password was right, and was given by an administrator: choose another with `token`."""

    status = 403
    code = "password_change_required"
    title = "Choose a password of your own first"

    def __init__(self, token: str) -> None:
        super().__init__(
            "Send this token with the new password to /recover/confirm.", extra={"token": token}
        )
