"""The token endpoint (RFC 6749 section 3.2): authentication, grant, and response."""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import Counter
from pydantic_core import to_json

from keyfob.clients.models import AuthenticatedClient
from keyfob.oauth.authentication import ClientAuthentication
from keyfob.oauth.dpop.proofs import Proof
from keyfob.oauth.dpop.service import Proofs
from keyfob.oauth.errors import InvalidDpopProof, UnauthorizedClient, UnsupportedGrantType
from keyfob.oauth.models import ClientRequest, GrantHandler

TOKENS_GIVEN = Counter(
    "keyfob_oauth_tokens_total", "Tokens given by the token endpoint, by grant.", ["grant"]
)

TOKEN_PATH = "/oauth2/token"  # noqa: S105 - an address, no secret


@dataclass(frozen=True, kw_only=True)
class TokenEndpoint:
    """Issues tokens to clients; each grant has a handler, by its `grant_type`.

    With a proof of a key, they are bound to it (RFC 9449 section 5). The proof counts last, when a
    token is to be given: who gets none makes us write nothing.
    """

    authentication: ClientAuthentication
    proofs: Proofs
    grants: Mapping[str, GrantHandler]

    async def give(self, request: ClientRequest) -> bytes:
        """Return the response as JSON; a token without scope has no `scope` (section 3.3).

        Raises:
            InvalidClient, BadRequest, TooManyRequests: see `ClientAuthentication.authenticate`.
            UnsupportedGrantType: there is no such grant.
            UnauthorizedClient: the client is not registered for it.
            InvalidDpopProof, UseDpopNonce: see `Proofs.read`; or the client needs a proof.
        """
        # Before the client: an assertion counts once, and comes again with the nonce.
        proof = self.proofs.read(request.proofs, TOKEN_PATH)
        shown = self._proven(await self.authentication.authenticate(request), proof)
        handler = self.grants.get(request.form.need("grant_type"))
        if handler is None:
            raise UnsupportedGrantType
        if handler.grant not in shown.client.grants:
            raise UnauthorizedClient
        given = await handler.give(shown, request.form)
        if proof is not None:
            await self.proofs.spend(proof)
        TOKENS_GIVEN.labels(handler.grant).inc()
        answer = {
            "access_token": given.access_token,
            "token_type": "DPoP" if shown.jkt else "Bearer",
            "expires_in": given.expires_in,
            **({"scope": " ".join(given.scope)} if given.scope else {}),
            **given.more,
        }
        return to_json(answer)

    def _proven(self, shown: AuthenticatedClient, proof: Proof | None) -> AuthenticatedClient:
        if proof is not None:
            return shown._replace(jkt=self.proofs.verify(proof))
        if shown.client.dpop_bound:
            raise InvalidDpopProof("The client needs a DPoP proof")
        return shown
