"""For Litestar: guards, and the answers to their refusals. The token comes by the middleware.

app = KeyfobMiddleware(  # of keyfob_client.asgi
Litestar([...], exception_handlers=refusals(verifier)), verifier
)

@get("/orders", guards=[requires(verifier, role="clerk")])
async def list_orders(request: Request) -> list[str]:
return orders_of(request.state.token.subject)
"""

from collections.abc import Callable, Sequence
from typing import Any

from litestar import Request, Response

from keyfob_client.answers import Needs, answer_to
from keyfob_client.asgi import token_of
from keyfob_client.errors import Refused
from keyfob_client.verifier import AsyncVerifier


def requires(
    verifier: AsyncVerifier,
    *,
    user: bool = False,
    role: str | Sequence[str] = (),
    scope: str | Sequence[str] = (),
    max_age: int | None = None,
    acr: str | Sequence[str] = (),
) -> Callable[[Any, Any], None]:
    """Return a guard that refuses a token without what is needed.

    Args:
        verifier: the one of the middleware.
        user: whether the caller has to be a person.
        role: a role, or several of which the user has one.
        scope: a scope, or several of which the token has all.
        max_age: the seconds in which the user has signed in (RFC 9470).
        acr: the strengths of a sign-in of which it has one.
    """
    needs = Needs.of(user=user, role=role, scope=scope, max_age=max_age, acr=acr)

    def guard(connection: Any, _: Any) -> None:
        needs.check(token_of(connection.scope), now=verifier.now())

    return guard


def refusals(verifier: AsyncVerifier) -> dict[Any, Any]:
    """Return the exception handlers of an app: its refusals become their answers."""

    def refuse(_: "Request[Any, Any, Any]", refused: Refused) -> "Response[bytes]":
        answer = answer_to(refused, verifier)
        return Response(
            answer.body,
            status_code=answer.status,
            headers=answer.headers,
            media_type=answer.headers["Content-Type"],
        )

    return {Refused: refuse}
