"""Requests that clients push themselves, before the browser comes (RFC 9126)."""

from dataclasses import dataclass

from pydantic_core import to_json

from keyfob.clients.documents import is_document_url
from keyfob.clients.models import Grant, RegisteredClient
from keyfob.core.forms import Form
from keyfob.core.problems import BadRequest, OAuthError
from keyfob.limits.local import LocalRate
from keyfob.limits.rates import RateLimits
from keyfob.oauth.asking import Asked, Asking, RefusedToApp, UnknownApp
from keyfob.oauth.authentication import ClientAuthentication
from keyfob.oauth.authorization import PUSHED_LIVES, Authorization
from keyfob.oauth.client_documents import UnusableDocument
from keyfob.oauth.dpop.service import Proofs
from keyfob.oauth.errors import (
    InvalidClient,
    InvalidDpopProof,
    InvalidScope,
    InvalidTarget,
    UnauthorizedClient,
    UnsupportedResponseType,
)
from keyfob.oauth.models import ClientRequest

# What an app would be told at its redirect URI; anything else is an `invalid_request`.
_TOLD = {one.code: one for one in (InvalidScope, InvalidTarget, UnsupportedResponseType)}

PAR_PATH = "/oauth2/par"


@dataclass(frozen=True, kw_only=True)
class PushedRequests:
    """Stores requests for the browsers that will come with their `request_uri`.

    Threat: a client fills the table. Each pushes so many a minute; whoever says to be a public one
    is counted by the address, as a browser that brings the request itself.
    """

    authentication: ClientAuthentication
    authorization: Authorization
    proofs: Proofs
    rate: LocalRate
    by_address: RateLimits

    @property
    def _asking(self) -> Asking:
        return self.authorization.asking

    async def push(self, request: ClientRequest) -> bytes:
        """Return the answer as JSON: a `request_uri` for 90 seconds, which counts once.

        Raises:
            InvalidClient, BadRequest, TooManyRequests: see `ClientAuthentication.authenticate`;
                or it pushes too often, or its document cannot be used.
            UnauthorizedClient: nobody signs in by this client.
            InvalidRequestObject, OAuthError: the request is not valid.
            InvalidDpopProof, UseDpopNonce: see `Proofs.read`; or `dpop_jkt` names another key.
        """
        proof = self.proofs.read(request.proofs, PAR_PATH)
        is_counted = await self._read_document(request)
        client = (await self.authentication.authenticate(request)).client
        if Grant.AUTHORIZATION_CODE not in client.grants:
            raise UnauthorizedClient
        if client.is_public or client.is_self_registered:
            if not is_counted:
                await self.by_address.hit("authorize", request.address)
        else:
            self.rate.hit(client.id)
        asked = await self._read(client, request.form)
        if proof is not None:
            asked = _bound(asked, self.proofs.verify(proof))
            await self.proofs.spend(proof)
        handle = await self.authorization.push(asked)
        lives = int(PUSHED_LIVES.total_seconds())
        return to_json({"request_uri": handle, "expires_in": lives})

    async def _read_document(self, request: ClientRequest) -> bool:
        """Read the document that describes a client, as where a browser brings the request.

        Else the client is unknown until then, or what its document says no more holds for ever.
        Return False if there is none.

        Raises:
            InvalidClient: the document cannot be used.
            TooManyRequests: too many are asked for from this address.
        """
        name, documents = request.form.get("client_id"), self._asking.documents
        if name is None or not documents.hosts.is_on or not is_document_url(name):
            return False
        await self.by_address.hit("authorize", request.address)
        try:
            await documents.find(name)
        except UnusableDocument:
            raise InvalidClient from None
        return True

    async def _read(self, client: RegisteredClient, form: Form) -> Asked:
        if form.get("request_uri") is not None:
            raise BadRequest("A pushed request has no request_uri")
        try:
            return await self._asking.read_of(client, form)
        except UnknownApp:
            raise BadRequest("The redirect_uri is not one of the client's") from None
        except RefusedToApp as refusal:
            told = _TOLD.get(refusal.error, OAuthError)
            raise told(refusal.description or None) from None


def _bound(asked: Asked, jkt: str) -> Asked:
    """Bind a request to the key that was proven as it was pushed (RFC 9449 section 10.1)."""
    if asked.dpop_jkt not in {None, jkt}:
        raise InvalidDpopProof("dpop_jkt names another key")
    return asked._replace(dpop_jkt=jkt)
