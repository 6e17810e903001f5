"""For any WSGI app: a middleware that asks for a token.

app = KeyfobMiddleware(app, Verifier("https://auth.example.com/auth", audience="..."))
"""

from collections.abc import Callable, Collection, Iterable
from http import HTTPStatus
from typing import Any

from keyfob_client.answers import Answer, answer_to, describe_resource, metadata_path, token_in
from keyfob_client.errors import NoToken, Refused
from keyfob_client.paths import Paths
from keyfob_client.token import AccessToken
from keyfob_client.verifier import Verifier

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]

_TOKEN = "keyfob.token"  # noqa: S105 - a name


class KeyfobMiddleware:
    """Lets only those requests through that have a valid token, and answers what is refused.

    The app finds the token by `token_of(environ)`, and refuses by raising, before it begins to
    answer: `token.require_role("admin")`.

    Args:
        app: the app.
        verifier: judges the tokens.
        public: the paths that need no token; one that ends with `/` stands for all below it.
        optional: whether requests without a token are let through everywhere.
        scopes: the scopes of this service, for its metadata (RFC 9728).
        name: its name for people, likewise.
    """

    def __init__(
        self,
        app: App,
        verifier: Verifier,
        *,
        public: Collection[str] = (),
        optional: bool = False,
        scopes: Collection[str] = (),
        name: str | None = None,
    ) -> None:
        self._app = app
        self._verifier = verifier
        self._public = Paths(public)
        self._optional = optional
        self._described = describe_resource(verifier, scopes=scopes, name=name)
        self._metadata_path = metadata_path(verifier.resource) if verifier.resource else None

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Judge a request; a refusal that the app raises is answered, too."""
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        if path == self._metadata_path:
            return _send(self._described, start_response)
        try:
            environ[_TOKEN] = self._judge(environ, path)
            return self._app(environ, start_response)
        except Refused as refused:
            return _send(answer_to(refused, self._verifier), start_response)

    def _judge(self, environ: Environ, path: str) -> AccessToken | None:
        try:
            return judge(environ, self._verifier)
        except NoToken:
            if self._optional or self._public.include(path):
                return None
            raise


def judge(environ: Environ, verifier: Verifier) -> AccessToken:
    """Return the token of a request.

    Two headers `Authorization` are one here, with a comma, which no token has.

    Raises:
        Refused: it has none, or one that is not to be believed.
    """
    given = environ.get("HTTP_AUTHORIZATION")
    return verifier.verify(token_in([] if given is None else [given], verifier), environ)


def token_of(environ: Environ) -> AccessToken:
    """Return the token of a request that has passed the middleware.

    Raises:
        NoToken: it came without one, to a path that needs none.
    """
    token = environ.get(_TOKEN)
    if not isinstance(token, AccessToken):
        raise NoToken
    return token


def _send(answer: Answer, start_response: StartResponse) -> Iterable[bytes]:
    headers = [*answer.headers.items(), ("Content-Length", str(len(answer.body)))]
    start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
    return [answer.body]
