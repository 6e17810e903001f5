"""From a request's header to its token, and from a refusal to its answer, for any framework."""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict, Unpack
from urllib.parse import urlsplit

from keyfob_client.errors import InvalidToken, NoToken, Refused, RequestNotValid
from keyfob_client.proofs import ALGORITHMS
from keyfob_client.token import AccessToken
from keyfob_client.verifier import Trust

# RFC 6750 section 2.1.
_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_WELL_KNOWN = "/.well-known/oauth-protected-resource"


class Answer(NamedTuple):
    """An answer, in the form that each framework has its own of."""

    status: int
    headers: dict[str, str]
    body: bytes


class Described(NamedTuple):
    """The metadata of this service, and the path where it is served."""

    path: str
    answer: Answer


class Rights(TypedDict, total=False):
    """The rights that a route asks for, as a decorator's arguments name them.

    Attributes:
        user: whether the caller has to be a person.
        role: a role, or several of which the user has one.
        scope: a scope, or several of which the token has all.
        max_age: the seconds in which the user has signed in (RFC 9470).
        acr: the strength of a sign-in, or several of which it has one.
    """

    user: bool
    role: str | Sequence[str]
    scope: str | Sequence[str]
    max_age: int
    acr: str | Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """The rights that a route asks for, beside a valid token; `Rights` says what each is."""

    user: bool = False
    roles: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()

    @classmethod
    def of(cls, **rights: Unpack[Rights]) -> "Needs":
        """Return the needs that `Rights` name.

        Raises:
            TypeError: a name is none of them, or its value asks for nothing. Threat: of a list or a
                setting that happens to be empty, a route would let everybody in.
        """
        if unknown := rights.keys() - Rights.__annotations__.keys():
            raise TypeError(f"there is no need {', '.join(sorted(unknown))}")
        user, max_age = rights.get("user", False), rights.get("max_age")
        if not isinstance(user, bool):
            raise TypeError("user is either true or false")
        if "max_age" in rights and not (isinstance(max_age, int | float) and max_age >= 0):
            raise TypeError("max_age is a number of seconds")
        return cls(
            user=user,
            roles=_words(rights, "role"),
            scope=_words(rights, "scope"),
            max_age=max_age,
            acr_values=_words(rights, "acr"),
        )

    def check(self, token: AccessToken, *, now: float) -> None:
        """Refuse a token that does not have all of them.

        Raises:
            InsufficientRole, InsufficientScope, InsufficientAuthentication: what it lacks.
        """
        if self.user:
            token.require_user()
        if self.roles:
            token.require_role(*self.roles)
        if self.scope:
            token.require_scope(*self.scope)
        if self.max_age is not None:
            token.require_recent_sign_in(self.max_age, now=now)
        if self.acr_values:
            token.require_acr(*self.acr_values)


def _words(rights: Mapping[str, Any], name: str) -> tuple[str, ...]:
    if name not in rights:
        return ()
    given = rights[name]
    words = (given,) if isinstance(given, str) else tuple(given)
    if not words or not all(isinstance(word, str) and word for word in words):
        raise TypeError(f"{name} is a word, or several")
    return words


def token_in(authorization: Sequence[str], trust: Trust) -> str:
    """Return the token of a request's headers `Authorization`.

    Raises:
        NoToken: there is none.
        RequestNotValid: there are two headers. Threat: two readers would each believe another.
        InvalidToken: it has letters that no token has.
    """
    if not authorization:
        raise NoToken
    if len(authorization) > 1:
        raise RequestNotValid("two_headers")
    scheme, _, token = authorization[0].strip().partition(" ")
    if scheme.lower() not in trust.schemes:
        raise NoToken
    token = token.strip()
    if not _TOKEN.fullmatch(token):
        raise InvalidToken("malformed")
    return token


def answer_to(refused: Refused, trust: Trust) -> Answer:
    """Return the answer to a request that is refused (RFC 6750 section 3, RFC 9457, RFC 9728).

    The reason goes to the log, and not to the caller.
    """
    trust.metrics.log_answer(refused.status, refused.reason)
    headers = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
    if refused.status in (400, 401, 403):
        headers["WWW-Authenticate"] = _challenge(refused, trust)
    if refused.retry_after is not None:
        headers["Retry-After"] = str(refused.retry_after)
    problem = {
        "type": "about:blank",
        "title": refused.title,
        "status": refused.status,
        "code": refused.code,
        **{name: value for name, value in refused.parameters.items() if name != "max_age"},
    }
    if "max_age" in refused.parameters:
        problem["max_age"] = int(refused.parameters["max_age"])
    return Answer(refused.status, headers, json.dumps(problem).encode())


def _challenge(refused: Refused, trust: Trust) -> str:
    parameters: dict[str, str] = {}
    if refused.error is not None:
        parameters |= {"error": refused.error, "error_description": refused.title}
    parameters |= refused.parameters
    if trust.resource is not None:
        parameters["resource_metadata"] = metadata_url(trust.resource)
    listed = ", ".join(f"{name}={_quote(value)}" for name, value in parameters.items())
    bearer = f"Bearer {listed}".rstrip()  # some servers refuse a value that ends in a space
    if "dpop" not in trust.schemes:
        return bearer
    return f'{bearer}, DPoP algs="{" ".join(ALGORITHMS)}"'  # RFC 9449 section 7.1


def _quote(value: str) -> str:
    """Write a quoted-string (RFC 9110 section 5.6.4)."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def metadata_url(resource: str) -> str:
    """Return where the metadata of a resource is (RFC 9728 section 3.1)."""
    parts = urlsplit(resource)
    return f"{parts.scheme}://{parts.netloc}{metadata_path(resource)}"


def metadata_path(resource: str) -> str:
    """Return the path of the metadata of a resource."""
    return _WELL_KNOWN + urlsplit(resource).path.rstrip("/")


def describe_resource(
    trust: Trust, *, scopes: Collection[str] = (), name: str | None = None
) -> Described | None:
    """Return the metadata of this service as a protected resource (RFC 9728 section 2).

    Args:
        trust: names the resource.
        scopes: the scopes of this service.
        name: its name for people.

    Returns:
        None if the service is no resource.
    """
    if trust.resource is None:
        return None
    document: dict[str, object] = {
        "resource": trust.resource,
        "authorization_servers": [trust.issuer],
        "bearer_methods_supported": ["header"],
    }
    if "dpop" in trust.schemes:
        document["dpop_signing_alg_values_supported"] = list(ALGORITHMS)
    if scopes:
        document["scopes_supported"] = sorted(scopes)
    if name is not None:
        document["resource_name"] = name
    headers = {
        "Content-Type": "application/json",
        "Cache-Control": "public, max-age=300",
        "Access-Control-Allow-Origin": "*",
    }
    answer = Answer(200, headers, json.dumps(document).encode())
    return Described(metadata_path(trust.resource), answer)
