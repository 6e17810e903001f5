"""Tokens that clients show: introspection (RFC 7662) and revocation (RFC 7009)."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic_core import to_json

from keyfob.authority.models import Introspector, LiveToken
from keyfob.clients.models import RegisteredClient
from keyfob.limits.local import LocalRate
from keyfob.oauth.authentication import ClientAuthentication
from keyfob.oauth.errors import UnauthorizedClient
from keyfob.oauth.models import ClientRequest
from keyfob.tokens.models import OWN_CLIENT

_INACTIVE = to_json({"active": False})


@dataclass(frozen=True, kw_only=True)
class ShownTokens:
    """Tells clients of the tokens that are meant for them, and nothing of any other.

    A token is meant for a client to which it was given, or one of whose resources is its audience.
    To any other client it is like one that never was: `token_type_hint` is not needed, since each
    kind is known by how it begins.

    Args:
        access: knows access tokens.
        by_prefix: knows tokens of other kinds.
        revocations: counts the revocations of each client: every one is held by every worker.
    """

    authentication: ClientAuthentication
    access: Introspector
    by_prefix: Mapping[str, Introspector]
    revocations: LocalRate

    async def introspect(self, request: ClientRequest) -> bytes:
        """Return what a token says, as JSON; of one that does not hold, that alone.

        Raises:
            InvalidClient, BadRequest, TooManyRequests: see `ClientAuthentication.authenticate`.
        """
        client = await self.authentication.authenticate(request)
        text = request.form.need("token")
        live = await self._kind_of(text).find(text)
        if live is None or not _is_meant_for(client, live):
            return _INACTIVE
        return to_json({"active": True, **live.members})

    async def revoke(self, request: ClientRequest) -> bytes:
        """End a token, if there is one that the client may end; the answer says nothing of it.

        A client ends what it was given itself, and tokens that were given to no client, such as
        those of our own sign-ins, if they are meant for it.

        Raises:
            UnauthorizedClient: the token was given to another client (RFC 7009 section 2.1).
            InvalidClient, BadRequest, TooManyRequests: see `ClientAuthentication.authenticate`.
        """
        client = await self.authentication.authenticate(request)
        text = request.form.need("token")
        kind = self._kind_of(text)
        live = await kind.find(text)
        if live is not None and _is_meant_for(client, live):
            if live.client_id not in {None, OWN_CLIENT, str(client.id)}:
                raise UnauthorizedClient("The token was given to another client")
            self.revocations.hit(client.id)
            await kind.revoke(text, client.id)
        return b"{}"

    def _kind_of(self, text: str) -> Introspector:
        for prefix, kind in self.by_prefix.items():
            if text.startswith(prefix):
                return kind
        return self.access


def _is_meant_for(client: RegisteredClient, token: LiveToken) -> bool:
    is_own = token.client_id == str(client.id)
    return is_own or not set(client.resources).isdisjoint(token.audience)
