"""Refusals of sign-ins."""

from collections.abc import Sequence

from keyfob.core.problems import Problem
from keyfob.mfa.models import Factor


class InvalidCredentials(Problem):
    """The e-mail is unknown or the password is wrong; the answer never says which."""

    status = 401
    code = "invalid_credentials"
    title = "The e-mail or the password is wrong"

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})


class AccountBlocked(Problem):
    """The account may not sign in. This is said only after the right password."""

    status = 403
    code = "account_blocked"
    title = "This account is blocked"


class PasswordChangeRequired(Problem):
    """The right password was chosen by an administrator: choose another with `token`."""

    status = 403
    code = "password_change_required"
    title = "Choose a password of your own first"

    def __init__(self, token: str) -> None:
        super().__init__(
            "Send this token with the new password to /recover/confirm.", extra={"token": token}
        )


class MfaRequired(Problem):
    """The password was right, and the account has a second factor: present it at `/login/mfa`.

    `expires_in` is in seconds. This is said only after the right password, since it reveals the
    kinds of factors.
    """

    status = 401
    code = "mfa_required"
    title = "Show a second factor to sign in"

    def __init__(
        self, mfa_token: str | None = None, expires_in: int = 0, factors: Sequence[Factor] = ()
    ) -> None:
        shown = [{"id": str(one.id), "type": one.type, "name": one.name} for one in factors]
        super().__init__(
            headers={"WWW-Authenticate": "Bearer"},
            extra={"mfa_token": mfa_token, "expires_in": expires_in, "factors": shown},
        )
