"""Refusals: each is a class with a status, a stable code and a title (RFC 9457)."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar


class Problem(Exception):
    """A refusal, reported to the client.

    Subclasses set `status` (HTTP), `code` (stable, snake_case) and `title` (one sentence that is
    always the same). `detail` describes this occurrence and never repeats the input; `headers` are
    added to the response; `extra` holds further members of the problem document.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Something went wrong on our side"
    # Whether its WWW-Authenticate says where our API is described (RFC 9728 section 5.1).
    names_resource: ClassVar[bool] = False

    def __init__(
        self,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})


def in_one_line(problem: Problem) -> str:
    """Return what was refused and why, for the operator; clients are not told the cause.

    It includes PostgreSQL's message, which never contains a password.
    """
    fault = problem.__cause__
    errors = problem.errors if isinstance(problem, InvalidInput) else []
    told = (
        problem.detail,
        *(error["detail"] for error in errors),
        str(fault) or repr(fault) if fault else None,
    )
    cause = " ".join(": ".join(filter(None, told)).split())
    return problem.title + (f" ({cause})" if cause else "")


class OAuthError(Problem):
    """A refusal that a protocol of OAuth names: its `code` is the `error` of RFC 6749 section 5.2.

    Any other refusal below `/oauth2/` is told by the nearest error of that section.
    """

    status = 400
    code = "invalid_request"
    title = "The request is not valid OAuth"


class NotFound(Problem):
    """No such route, or nothing with that id that the caller may see."""

    status = 404
    code = "not_found"
    title = "Not found"


class MethodNotAllowed(Problem):
    """The path exists, but not with this method."""

    status = 405
    code = "method_not_allowed"
    title = "Method not allowed"


class BadRequest(Problem):
    """The request cannot be parsed."""

    status = 400
    code = "bad_request"
    title = "Bad request"


class InvalidCursor(Problem):
    """The cursor was not made by this service, or belongs to another list or order."""

    status = 400
    code = "invalid_cursor"
    title = "Invalid cursor"


class BodyTooLarge(Problem):
    """The body is larger than the limit; it was not read."""

    status = 413
    code = "body_too_large"
    title = "The request body is too large"


class UnsupportedMediaType(Problem):
    """The body is not declared as JSON."""

    status = 415
    code = "unsupported_media_type"
    title = "Send JSON, with Content-Type: application/json"


class UnsupportedEncoding(Problem):
    """The body is compressed or otherwise encoded (RFC 9110 section 8.4); it was not read."""

    status = 415
    code = "unsupported_encoding"
    title = "Content-Encoding is not supported; send the body as it is"


class UnsupportedTransferCoding(Problem):
    """The body has a transfer coding other than chunked (RFC 9112 section 6.1); it was not read."""

    status = 501
    code = "unsupported_transfer_coding"
    title = "Transfer-Encoding is not supported, except chunked"


class InvalidInput(Problem):
    """The request is not valid; `errors` says where, without repeating the input."""

    status = 422
    code = "invalid_input"
    title = "The request is not valid"

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__(extra={"errors": errors})
        self.errors = errors


def ensure_to_come(expires_at: datetime | None, now: datetime) -> None:
    """Check that an end in a body, at `/expires_at`, is still to come.

    Raises:
        InvalidInput: it has passed.
    """
    if expires_at is not None and expires_at <= now:
        raise InvalidInput([{"pointer": "/expires_at", "detail": "should be in the future"}])


class Unauthenticated(Problem):
    """There is no access token, or it is not valid; the log says which."""

    status = 401
    code = "invalid_token"
    title = "A valid access token is needed"
    names_resource = True

    def __init__(self, *, presented: bool = True, challenge: str | None = None) -> None:
        # RFC 6750 section 3.1: no error code if no token was presented.
        challenge = challenge or ('Bearer error="invalid_token"' if presented else "Bearer")
        super().__init__(headers={"WWW-Authenticate": challenge})


class Forbidden(Problem):
    """The caller is known but may not do this."""

    status = 403
    code = "forbidden"
    title = "You are not allowed to do this"


class FactorRequired(Problem):
    """The role requires a second factor (KEYFOB_REQUIRE_MFA_FOR) and this sign-in had none.

    A user without a factor may add one; a user with one has to sign in with it.
    """

    status = 403
    code = "factor_required"
    title = "Your role asks for a second factor; add one, or sign in with it"


class InsufficientAuthentication(Problem):
    """The sign-in is too old, or had fewer factors than needed (RFC 9470 section 3)."""

    status = 401
    code = "insufficient_user_authentication"
    title = "Sign in again to do this"
    names_resource = True

    def __init__(self, max_age: int, *, acr: str | None = None) -> None:
        challenge = f'Bearer error="insufficient_user_authentication", max_age="{max_age}"'
        if acr:
            challenge += f', acr_values="{acr}"'
        super().__init__(
            headers={"WWW-Authenticate": challenge},
            extra={"max_age": max_age, **({"acr_values": acr} if acr else {})},
        )


class TooManyRequests(Problem):
    """A rate limit was reached. `retry_after` is in seconds."""

    status = 429
    code = "too_many_requests"
    title = "Too many requests"

    def __init__(self, retry_after: int, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(headers={"Retry-After": str(max(1, retry_after)), **(headers or {})})


class Unavailable(Problem):
    """Something that we depend on does not answer, or we are full. `retry_after` is in seconds."""

    status = 503
    code = "unavailable"
    title = "The service is not available; try again soon"

    def __init__(self, detail: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(detail, headers={"Retry-After": str(max(1, retry_after))})


class Overloaded(Unavailable):
    """More password checks wait than can be done in time."""

    code = "overloaded"
    title = "Too many sign-ins at once; try again soon"


class DatabaseUnavailable(Unavailable):
    """PostgreSQL does not answer, or refuses to write."""

    code = "database_unavailable"
    title = "The database does not answer; try again soon"
