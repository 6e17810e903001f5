"""Tokens that clients present: introspection (RFC 7662) and revocation (RFC 7009)."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic_core import to_json

from keyfob.authority.models import Introspector, LiveToken
from keyfob.clients.models import RegisteredClient
from keyfob.limits.local import LocalRate
from keyfob.oauth.authentication import ClientAuthentication, counted_as
from keyfob.oauth.errors import InvalidClient, UnauthorizedClient
from keyfob.oauth.models import ClientRequest
from keyfob.sessions.grants import Grants
from keyfob.sessions.refresh_tokens import PREFIX_OF_APPS
from keyfob.tokens.models import OWN_CLIENT

_INACTIVE = to_json({"active": False})


@dataclass(frozen=True, kw_only=True)
class ShownTokens:
    """Describes tokens to the clients that they are meant for, and says nothing of any other.

    A token is meant for the client that it was issued to, and for clients of which a resource is
    its audience. For any other client it is like an unknown one. `token_type_hint` is not needed,
    since the beginning of a token shows its kind.

    Args:
        access: the access tokens.
        by_prefix: tokens of other kinds.
        revocations: counts the revocations of each client, since every worker keeps each of them.
        grants: what apps have, whose refresh tokens concern nobody else.
    """

    authentication: ClientAuthentication
    access: Introspector
    by_prefix: Mapping[str, Introspector]
    revocations: LocalRate
    grants: Grants

    async def introspect(self, request: ClientRequest) -> bytes:
        """Return the description of a token as JSON; of an invalid one, only that.

        Raises:
            InvalidClient, BadRequest, TooManyRequests: see `ClientAuthentication.authenticate`.
        """
        client = (await self.authentication.authenticate(request)).client
        if client.is_public:  # anybody can say to be it (RFC 7662 section 2.1)
            raise InvalidClient
        text = request.form.need("token")
        kind = self._kind_of(text)
        if client.is_self_registered and kind is not self.access:
            return _INACTIVE  # it is meant for none of ours, and to find it costs a query
        live = await kind.find(text)
        if live is None or not _is_meant_for(client, live):
            return _INACTIVE
        return to_json({"active": True, **live.members_for(client.resources)})

    async def revoke(self, request: ClientRequest) -> bytes:
        """Revoke a token, if the client may; the answer does not reveal whether there was one.

        A client may revoke its own tokens, and tokens that were issued to no client, such as those
        of our own sign-ins, if they are meant for it.

        Raises:
            UnauthorizedClient: the token was issued to another client (RFC 7009 section 2.1).
            InvalidClient, BadRequest, TooManyRequests: see `ClientAuthentication.authenticate`.
        """
        client = (await self.authentication.authenticate(request)).client
        text, counted = request.form.need("token"), counted_as(client, request.address)
        if text.startswith(PREFIX_OF_APPS):
            self.revocations.hit(counted)
            await self.grants.give_up(text, client.id)
            return b"{}"
        kind = self._kind_of(text)
        costs_query = kind is not self.access
        if client.is_self_registered and costs_query:
            return b"{}"  # as in `introspect`
        if costs_query:
            # Threat: whoever makes up keys by the thousand has each looked for.
            self.revocations.hit(counted)
        live = await kind.find(text)
        if live is not None and _is_meant_for(client, live):
            if live.client_id not in {None, OWN_CLIENT, str(client.id)}:
                raise UnauthorizedClient("The token was given to another client")
            if not costs_query:
                self.revocations.hit(counted)
            await kind.revoke(text, client.id)
        return b"{}"

    def _kind_of(self, text: str) -> Introspector:
        for prefix, kind in self.by_prefix.items():
            if text.startswith(prefix):
                return kind
        return self.access


def _is_meant_for(client: RegisteredClient, token: LiveToken) -> bool:
    """Tell whether a client may see a token: its own, or one for an API that it is.

    Threat: whoever registers itself may ask for tokens of some APIs, and is none of them.
    """
    if token.client_id == str(client.id):
        return True
    return not client.is_self_registered and not set(client.resources).isdisjoint(token.audience)
