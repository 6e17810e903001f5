"""For any ASGI app, such as Starlette, Litestar and Django: a middleware that asks for a token.

app = KeyfobMiddleware(app, AsyncVerifier("https://auth.example.com/auth", audience="..."))
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from keyfob_client.answers import Answer, answer_to, token_in
from keyfob_client.errors import NoToken, Refused
from keyfob_client.middleware import Middleware
from keyfob_client.token import AccessToken
from keyfob_client.verifier import AsyncVerifier

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_POLICY_VIOLATION = 1008  # RFC 6455 section 7.4.1


class KeyfobMiddleware(Middleware[App, AsyncVerifier]):
    """The middleware of an ASGI app; `Middleware` says what it is given.

    The app finds the token in the request's state (`request.state.token`, or `token_of(scope)`),
    and refuses by raising: `token.require_role("admin")`. Where a framework answers every exception
    by itself, as Litestar and Django do, it has a module here.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge a request; a refusal that the app raises is answered, too."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if (metadata := self._metadata_at(scope["path"])) is not None:
            await _send(metadata, scope, send)
            return
        has_begun = False

        async def send_and_note(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            scope.setdefault("state", {})["token"] = await self._judge(scope)
            await self._app(scope, receive, send_and_note)
        except Refused as refused:
            if has_begun:
                raise
            await _send(answer_to(refused, self._verifier), scope, send)

    async def _judge(self, scope: Scope) -> AccessToken | None:
        given = [
            value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"
        ]
        try:
            return await self._verifier.verify(token_in(given, self._verifier), scope)
        except NoToken:
            if self._needs_token(scope["path"]):
                raise
            return None


def token_of(scope: Scope) -> AccessToken:
    """Return the token of a request.

    Raises:
        NoToken: it came without one, to a path that needs none.
    """
    token = scope.get("state", {}).get("token")
    if not isinstance(token, AccessToken):
        raise NoToken
    return token


async def _send(answer: Answer, scope: Scope, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        return
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items()
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
