"""Why a request is refused, and what its answer says. The reason of each refusal is for the log."""

from collections.abc import Sequence


class Refused(Exception):
    """A request is refused.

    Attributes:
        status: the status of the answer.
        error: the code of RFC 6750 section 3.1 or of RFC 9470; None if no token was presented.
        code: the stable word of the answer, as docs/problems.md lists them.
        title: a sentence for the caller.
        reason: a short, stable word for the log, which the caller never sees.
        parameters: further parameters of the challenge, such as `scope`.
        retry_after: the seconds after which the caller may try again.
    """

    status = 401
    error: str | None = None
    code = "refused"
    title = "The request is refused"
    retry_after: int | None = None

    def __init__(self, reason: str = "refused") -> None:
        super().__init__(reason)
        self.reason = reason
        self.parameters: dict[str, str] = {}


class NoToken(Refused):
    """The request has no access token: the challenge says so by naming no error (RFC 6750 3.1)."""

    code = "no_token"
    title = "An access token is needed"

    def __init__(self) -> None:
        super().__init__("no_token")


class RequestNotValid(Refused):
    """The request presents its token in a way that there is not, or twice."""

    status = 400
    error = code = "invalid_request"
    title = "Present one access token, in the header Authorization"


class InvalidToken(Refused):
    """The access token is not valid, for whatever reason."""

    error = code = "invalid_token"
    title = "The access token is not valid"


class UnknownKey(InvalidToken):
    """The token names a key that is not in the key set, which may have changed meanwhile."""

    def __init__(self) -> None:
        super().__init__("unknown_key")


class InsufficientScope(Refused):
    """The token lacks a scope that is needed (RFC 6750 section 3.1)."""

    status = 403
    error = code = "insufficient_scope"
    title = "The access token does not permit this"

    def __init__(self, scope: Sequence[str]) -> None:
        super().__init__("insufficient_scope")
        self.parameters["scope"] = " ".join(scope)


class InsufficientRole(Refused):
    """The user has none of the roles that are needed, or the caller is no user."""

    status = 403
    error = code = "insufficient_scope"  # RFC 6750 has no other code for a lack of privileges
    title = "The caller may not do this"

    def __init__(self) -> None:
        super().__init__("insufficient_role")


class InsufficientAuthentication(Refused):
    """The user has to sign in once more, or by a stronger method (RFC 9470 section 3)."""

    error = code = "insufficient_user_authentication"
    title = "A more recent or stronger sign-in is needed"

    def __init__(self, *, max_age: int | None = None, acr_values: Sequence[str] = ()) -> None:
        super().__init__("insufficient_user_authentication")
        if max_age is not None:
            self.parameters["max_age"] = str(max_age)
        if acr_values:
            self.parameters["acr_values"] = " ".join(acr_values)


class Unavailable(Refused):
    """It cannot be said now whether the token is valid: the issuer is not reached.

    This is never answered by 401: the caller would discard a valid token.
    """

    status = 503
    code = "unavailable"
    title = "Access tokens cannot be verified now; try again soon"
    retry_after = 5


class IssuerNotReached(Exception):
    """The issuer did not answer, or not what its protocol says; the message says which."""
