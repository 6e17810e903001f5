"""Refusals about second factors."""

from keyfob.core.problems import Problem


class InvalidFactor(Problem):
    """The factor is wrong, or its challenge or token is used, expired or somebody else's.

    One answer for all causes, so that a guesser learns nothing.
    """

    status = 401
    code = "invalid_factor"
    title = "The second factor is wrong or has expired"

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})


class FactorNotFound(Problem):
    """The caller has no such factor; other users' factors get the same answer."""

    status = 404
    code = "factor_not_found"
    title = "Factor not found"


class TooManyFactors(Problem):
    """The account already has the largest number of factors."""

    status = 409
    code = "too_many_factors"
    title = "Too many factors; remove one first"


class LastFactor(Problem):
    """The caller's role requires a factor (KEYFOB_REQUIRE_MFA_FOR), and this is the only one."""

    status = 409
    code = "last_factor"
    title = "Your role asks for a second factor; add another before you remove the last one"


class NoFactor(Problem):
    """Recovery codes replace a factor, but there is none."""

    status = 409
    code = "no_factor"
    title = "Recovery codes need a second factor; add one first"


class InvalidPasskey(Problem):
    """The browser's passkey cannot be added here; the log says why."""

    status = 400
    code = "invalid_passkey"
    title = "This passkey cannot be added; ask for new options and try again"


class PasskeyTaken(Problem):
    """The credential is registered already, with this account or with another."""

    status = 409
    code = "passkey_taken"
    title = "This passkey is registered already"
