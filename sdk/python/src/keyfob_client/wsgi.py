"""For any WSGI app: a middleware that asks for a token.

app = KeyfobMiddleware(app, Verifier("https://auth.example.com/auth", audience="..."))
"""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from keyfob_client.answers import Answer, answer_to, token_in
from keyfob_client.errors import NoToken, Refused
from keyfob_client.middleware import Middleware
from keyfob_client.token import AccessToken
from keyfob_client.verifier import Verifier

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]

_TOKEN = "keyfob.token"  # noqa: S105 - a name


class KeyfobMiddleware(Middleware[App, Verifier]):
    """The middleware of a WSGI app; `Middleware` says what it is given.

    The app finds the token by `token_of(environ)`, and refuses by raising, before it begins to
    answer: `token.require_role("admin")`.
    """

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Judge a request; a refusal that the app raises is answered, too."""
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        if (metadata := self._metadata_at(path)) is not None:
            return _send(metadata, start_response)
        try:
            environ[_TOKEN] = self._judge(environ, path)
            return self._app(environ, start_response)
        except Refused as refused:
            return _send(answer_to(refused, self._verifier), start_response)

    def _judge(self, environ: Environ, path: str) -> AccessToken | None:
        try:
            return judge(environ, self._verifier)
        except NoToken:
            if self._needs_token(path):
                raise
            return None


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
