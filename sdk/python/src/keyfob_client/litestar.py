"""For Litestar: guards, and the answers to their refusals. The token comes by the middleware.

app = KeyfobMiddleware(  # of keyfob_client.asgi
    Litestar([...], exception_handlers=refusals(verifier)), verifier
)

@get("/orders", guards=[requires(verifier, role="clerk")])
async def list_orders(request: Request) -> list[str]:
    return orders_of(request.state.token.subject)
"""

from collections.abc import Callable
from typing import Any, Unpack

from litestar import Request, Response

from keyfob_client.answers import Needs, Rights, answer_to
from keyfob_client.asgi import token_of
from keyfob_client.errors import Refused
from keyfob_client.verifier import AsyncVerifier


def requires(verifier: AsyncVerifier, **rights: Unpack[Rights]) -> Callable[[Any, Any], None]:
    """Return a guard that refuses a token without what is needed.

    Args:
        verifier: the one of the middleware.
        rights: what the caller needs beside a valid token.
    """
    needs = Needs.of(**rights)

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
