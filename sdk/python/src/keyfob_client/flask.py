"""For Flask: a decorator that asks for a token.

keyfob = Keyfob(app, Verifier("https://auth.example.com/auth", audience="..."))

@app.get("/orders")
@keyfob.protected(role="clerk")
def list_orders() -> list[str]:
return orders_of(g.token.subject)
"""

from collections.abc import Callable, Collection, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from flask import Flask, Response, g, request

from keyfob_client.answers import Answer, Needs, answer_to, describe_resource, metadata_path
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
        if verifier.resource is not None:
            described = describe_resource(verifier, scopes=scopes, name=name)
            app.add_url_rule(
                metadata_path(verifier.resource),
                endpoint="keyfob_metadata",
                view_func=lambda: _response(described),
            )

    def protected(
        self,
        *,
        user: bool = False,
        role: str | Sequence[str] = (),
        scope: str | Sequence[str] = (),
        max_age: int | None = None,
        acr: str | Sequence[str] = (),
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Return a decorator that calls a view only with a token that has what is needed.

        The view finds the token as `g.token`.

        Args:
            user: whether the caller has to be a person.
            role: a role, or several of which the user has one.
            scope: a scope, or several of which the token has all.
            max_age: the seconds in which the user has signed in (RFC 9470).
            acr: the strengths of a sign-in of which it has one.
        """
        needs = Needs.of(user=user, role=role, scope=scope, max_age=max_age, acr=acr)

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
