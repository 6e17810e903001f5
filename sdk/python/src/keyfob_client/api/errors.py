"""The refusals of Keyfob's API (RFC 9457) as exceptions."""

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """Keyfob refuses, or is not reached.

    Attributes:
        status: the status of the answer; 0 if there was none.
        code: the stable word of the refusal, as docs/problems.md lists them.
        retry_after: the seconds after which it may be tried again; None if it does not say.
        errors: the fields that are wrong, each with `pointer` and `detail`.
        document: the whole problem.
    """

    def __init__(
        self,
        status: int,
        document: Mapping[str, Any],
        *,
        retry_after: float | None = None,
    ) -> None:
        self.status = status
        self.document = dict(document)
        self.code = _text(document.get("code")) or f"status_{status}"
        self.retry_after = retry_after
        told = document.get("errors")
        self.errors: list[dict[str, str]] = told if isinstance(told, list) else []
        why = _text(document.get("detail")) or _text(document.get("title"))
        super().__init__(f"{status} {self.code}: {why}" if why else f"{status} {self.code}")


class SignedOut(ApiError):
    """Nobody is signed in here, or the session has ended or given way to another: sign in."""


class InvalidCredentials(ApiError):
    """The e-mail is unknown or the password wrong, or a factor is."""


class MfaRequired(ApiError):
    """The password was right, and a factor is needed: `present_factor` with `mfa_token`."""

    @property
    def mfa_token(self) -> str:
        """The token that goes with the factor, for five minutes and one use."""
        return str(self.document["mfa_token"])

    @property
    def factors(self) -> list[dict[str, Any]]:
        """The factors of the account, each with `id`, `type` and `name`."""
        return list(self.document["factors"])


class RecentSignInNeeded(ApiError):
    """The sign-in is too old for this, or had no factor: `reauthenticate`, and try again."""


class Forbidden(ApiError):
    """The caller may not do this."""


class NotFound(ApiError):
    """There is nothing with that id."""


class Conflict(ApiError):
    """It contradicts how things are; `code` says what does."""


class InvalidInput(ApiError):
    """A field is wrong; `errors` says which."""


class TooManyRequests(ApiError):
    """A limit was reached, and `retry_after` is longer than the client waits."""


class TryAgainLater(ApiError):
    """Keyfob has too much to do, and did not get to it in all attempts."""


class NotReached(ApiError):
    """There was no answer: nobody knows if the request had an effect."""


_BY_CODE = {
    "invalid_token": SignedOut,
    "invalid_refresh_token": SignedOut,
    "invalid_credentials": InvalidCredentials,
    "invalid_factor": InvalidCredentials,
    "mfa_required": MfaRequired,
    "insufficient_user_authentication": RecentSignInNeeded,
}
_BY_STATUS = {
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    422: InvalidInput,
    429: TooManyRequests,
    503: TryAgainLater,
}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def refusal(status: int, document: object, retry_after: float | None) -> ApiError:
    """Return the exception for an answer; one that a proxy wrote may be no problem at all."""
    told: Mapping[str, Any] = document if isinstance(document, dict) else {}
    kind = _BY_CODE.get(_text(told.get("code"))) or _BY_STATUS.get(status, ApiError)
    return kind(status, told, retry_after=retry_after)
