"""For Flask: a decorator that asks for a token.

keyfob = Keyfob(app, Verifier("https://auth.example.com/auth", audience="..."))

@app.get("/orders")
@keyfob.protected(role="clerk")
def list_orders() -> list[str]:
    return orders_of(g.token.subject)
"""

from collections.abc import Callable, Collection
from functools import wraps
from typing import Any, ParamSpec, TypeVar, Unpack

from flask import Flask, Response, g, request

from keyfob_client.answers import Answer, Needs, Rights, answer_to, describe_resource
from keyfob_client.errors import Refused
from keyfob_client.verifier import Verifier
from keyfob_client.wsgi import judge

P = ParamSpec("P")
R = TypeVar("R")


class Keyfob:
    """Protects the routes of an app, one by one.

    It also serves the metadata of this service (RFC 9728), which answers of 401 name.

    Args:
        app: the app, whose answers to refusals it registers.
        verifier: judges the tokens.
        scopes: the scopes of this service, for its metadata.
        name: its name for people, likewise.
    """

    def __init__(
        self,
        app: Flask,
        verifier: Verifier,
        *,
        scopes: Collection[str] = (),
        name: str | None = None,
    ) -> None:
        self._verifier = verifier
        app.register_error_handler(Refused, self._refuse)
        described = describe_resource(verifier, scopes=scopes, name=name)
        if described is not None:
            app.add_url_rule(
                described.path,
                endpoint="keyfob_metadata",
                view_func=lambda: _response(described.answer),
            )

    def protected(self, **rights: Unpack[Rights]) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Return a decorator that calls a view only with a token that has what is needed.

        The view finds the token as `g.token`.

        Args:
            rights: what the caller needs beside a valid token.
        """
        needs = Needs.of(**rights)

        def decorate(view: Callable[P, R]) -> Callable[P, R]:
            @wraps(view)
            def call(*args: P.args, **kwargs: P.kwargs) -> R:
                token = judge(request.environ, self._verifier)
                needs.check(token, now=self._verifier.now())
                g.token = token
                return view(*args, **kwargs)

            return call

        return decorate

    def _refuse(self, refused: Any) -> Response:
        return _response(answer_to(refused, self._verifier))


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, answer.headers)
