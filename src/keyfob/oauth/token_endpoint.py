"""The token endpoint (RFC 6749 section 3.2): authentication, grant, and response."""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import Counter
from pydantic_core import to_json

from keyfob.oauth.authentication import ClientAuthentication
from keyfob.oauth.errors import UnauthorizedClient, UnsupportedGrantType
from keyfob.oauth.models import ClientRequest, GrantHandler

TOKENS_GIVEN = Counter(
    "keyfob_oauth_tokens_total", "Tokens given by the token endpoint, by grant.", ["grant"]
)


@dataclass(frozen=True, kw_only=True)
class TokenEndpoint:
    """Issues tokens to clients; each grant has a handler, by its `grant_type`."""

    authentication: ClientAuthentication
    grants: Mapping[str, GrantHandler]

    async def give(self, request: ClientRequest) -> bytes:
        """Return the response as JSON; a token without scope has no `scope` (section 3.3).

        Raises:
            InvalidClient, BadRequest, TooManyRequests: see `ClientAuthentication.authenticate`.
            UnsupportedGrantType: there is no such grant.
            UnauthorizedClient: the client is not registered for it.
        """
        shown = await self.authentication.authenticate(request)
        handler = self.grants.get(request.form.need("grant_type"))
        if handler is None:
            raise UnsupportedGrantType
        if handler.grant not in shown.client.grants:
            raise UnauthorizedClient
        given = await handler.give(shown, request.form)
        TOKENS_GIVEN.labels(handler.grant).inc()
        answer = {
            "access_token": given.access_token,
            "token_type": "Bearer",
            "expires_in": given.expires_in,
            **({"scope": " ".join(given.scope)} if given.scope else {}),
            **given.more,
        }
        return to_json(answer)
