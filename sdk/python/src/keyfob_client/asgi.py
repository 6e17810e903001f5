"""For any ASGI app, such as Starlette, Litestar and Django: a middleware that asks for a token.

app = KeyfobMiddleware(app, AsyncVerifier("https://auth.example.com/auth", audience="..."))
"""

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from keyfob_client.answers import Answer, answer_to, describe_resource, metadata_path, token_in
from keyfob_client.errors import NoToken, Refused
from keyfob_client.paths import Paths
from keyfob_client.token import AccessToken
from keyfob_client.verifier import AsyncVerifier

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_POLICY_VIOLATION = 1008  # RFC 6455 section 7.4.1


class KeyfobMiddleware:
    """Lets only those requests through that have a valid token, and answers what is refused.

    The app finds the token in the request's state (`request.state.token`, or `token_of(scope)`),
    and refuses by raising: `token.require_role("admin")`. Where a framework answers every exception
    by itself, as Litestar and Django do, it has a module here.

    Args:
        app: the app.
        verifier: judges the tokens.
        public: the paths that need no token; one that ends with `/` stands for all below it.
        optional: whether requests without a token are let through everywhere; their token is None.
        scopes: the scopes of this service, for its metadata (RFC 9728).
        name: its name for people, likewise.
    """

    def __init__(
        self,
        app: App,
        verifier: AsyncVerifier,
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge a request; a refusal that the app raises is answered, too."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if scope["path"] == self._metadata_path:
            await _send(self._described, scope, send)
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
        is_public = self._optional or self._public.include(scope["path"])
        try:
            return await self._verifier.verify(token_in(given, self._verifier), scope)
        except NoToken:
            if is_public:
                return None
            raise


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
