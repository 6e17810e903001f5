"""Refusals of second factors."""

from keyfob.core.problems import Problem


class InvalidFactor(Problem):
    """The factor was not right, or what it was for is spent, expired or of somebody else.

    One answer for every cause: whoever guesses learns nothing.
    """

    status = 401
    code = "invalid_factor"
    title = "The second factor is wrong or has expired"

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})


class FactorNotFound(Problem):
    """The caller has no such factor; another's is not told apart."""

    status = 404
    code = "factor_not_found"
    title = "Factor not found"


class TooManyFactors(Problem):
    """The account has as many factors as it may have."""

    status = 409
    code = "too_many_factors"
    title = "Too many factors; remove one first"


class LastFactor(Problem):
    """The caller's role asks for a factor (KEYFOB_REQUIRE_MFA_FOR), and this is the only one."""

    status = 409
    code = "last_factor"
    title = "Your role asks for a second factor; add another before you remove the last one"


class NoFactor(Problem):
    """Recovery codes stand in for a factor, and there is none."""

    status = 409
    code = "no_factor"
    title = "Recovery codes need a second factor; add one first"


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
