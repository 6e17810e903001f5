"""Authentication of clients (RFC 6749 section 2.3)."""

from base64 import b64decode
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote_plus
from uuid import UUID

from prometheus_client import Counter

from keyfob.clients.documents import id_of_document, is_document_url
from keyfob.clients.models import AuthenticatedClient, AuthMethod, KnownClient, RegisteredClient
from keyfob.clients.service import Clients
from keyfob.core.addresses import client_bucket
from keyfob.core.forms import Form
from keyfob.core.problems import BadRequest
from keyfob.limits.local import LocalFailures, LocalRate
from keyfob.oauth.errors import InvalidClient
from keyfob.oauth.models import ClientProof, ClientRequest, Presented

AUTHENTICATIONS = Counter(
    "keyfob_client_authentications_total", "Authentications of clients by outcome.", ["outcome"]
)
_SUCCEEDED, _FAILED = AUTHENTICATIONS.labels("succeeded"), AUTHENTICATIONS.labels("failed")

_JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, kw_only=True)
class ClientAuthentication:
    """Authenticates clients, each by the one method that it is registered for.

    Threat: guesses by the thousand. Secrets are 256 random bits, so only the work has to be
    limited: after too many failures from an address, only clients that a worker found before can
    authenticate from there, which those in use are.

    Args:
        proofs: the check for each supported method.
        failures: counts failures per address.
        calls: counts the calls of each client (`counted_as`).
    """

    proofs: Mapping[AuthMethod, ClientProof]
    failures: LocalFailures
    calls: LocalRate

    async def authenticate(self, request: ClientRequest) -> AuthenticatedClient:
        """Return the client of a request, and the end of its secret.

        Raises:
            InvalidClient: it is unknown or disabled, or its proof is not valid.
            BadRequest: it uses more than one method, or names two clients.
            TooManyRequests: it calls too often, or there were too many failures from its address.
        """
        presented = presented_in(request.authorization, request.form)
        shown = None
        if presented and (proof := self.proofs.get(presented.method)):
            may_ask = self.failures.is_free(request.address)
            presented = presented._replace(address=request.address)
            shown = await proof.check(presented, may_ask=may_ask)
        if shown is None:
            _FAILED.inc()
            self.failures.count(request.address)
            raise InvalidClient
        _SUCCEEDED.inc()
        self.calls.hit(counted_as(shown.client, request.address))
        return shown


def counted_as(client: RegisteredClient, address: str) -> Hashable:
    """Return the key by which calls of a client are counted.

    Of a public one, or one that registered itself, it has their network, too. Threats: anybody can
    say to be a public client, and uses up the calls of all who have the app. Anybody can register
    clients, each with turns of its own.
    """
    if client.is_self_registered:
        return ("strangers", client_bucket(address))
    return (client.id, client_bucket(address)) if client.is_public else client.id


def presented_in(authorization: str | None, form: Form) -> Presented | None:
    """Return the credentials of a client; None if there are none, or they cannot be read.

    Raises:
        BadRequest: it uses more than one method, or names two clients.
    """
    client_id = form.get("client_id")
    secret, assertion = form.get("client_secret"), form.get("client_assertion")
    if sum(shown is not None for shown in (authorization, secret, assertion)) > 1:
        raise BadRequest("Use one method of client authentication, not several")
    if authorization is not None:
        return _read_basic(authorization, client_id)
    if assertion is not None:
        if form.get("client_assertion_type") != _JWT_BEARER:
            raise BadRequest(f"client_assertion_type should be {_JWT_BEARER}")
        return Presented(AuthMethod.PRIVATE_KEY_JWT, client_id, assertion)
    if secret is not None:
        return Presented(AuthMethod.POST, client_id, secret)
    return Presented(AuthMethod.NONE, client_id, "") if client_id is not None else None


def _read_basic(header: str, client_id: str | None) -> Presented | None:
    """Read an Authorization header (RFC 7617), whose parts may be percent-encoded or not.

    RFC 6749 section 2.3.1 requires the encoding, but many clients omit it. Ids and secrets of
    Keyfob contain no `%` or `+`, so that decoding does not change unencoded ones.
    """
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        named, colon, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        return None
    named = unquote_plus(named)
    if not colon:
        return None
    if client_id not in {None, named}:
        raise BadRequest("client_id is not the client of the Authorization header")
    return Presented(AuthMethod.BASIC, named, unquote_plus(secret))


class SecretProof(NamedTuple):
    """Checks secrets that we made: by one HMAC, with equal work for known and unknown clients."""

    clients: Clients

    async def check(self, presented: Presented, *, may_ask: bool) -> AuthenticatedClient | None:
        """Return the client of an id and a secret.

        Raises:
            InvalidClient: the secret is right, but the client is registered for another method.
        """
        client_id = read_client_id(presented.client_id)
        if client_id is None:
            return None
        shown = await self.clients.find_by_secret(client_id, presented.proof, may_ask=may_ask)
        if shown and shown.client.auth_method is not presented.method:
            raise InvalidClient(f"The client is registered for {shown.client.auth_method}")
        return shown


class NoProof(NamedTuple):
    """Finds public clients, which have nothing to prove who they are by (OAuth 2.1 section 2.1).

    What they present was given to them alone: a code with its verifier, or a refresh token.
    """

    clients: Clients

    async def check(self, presented: Presented, *, may_ask: bool) -> AuthenticatedClient | None:
        """Return the client of an id, if it is a public one."""
        known = await find_client(self.clients, presented.client_id, may_ask=may_ask)
        return AuthenticatedClient(known.client, None) if known and known.client.is_public else None


async def find_client(
    clients: Clients, text: str | None, *, may_ask: bool = True
) -> KnownClient | None:
    """Return a client by its `client_id`, which is its id or the URL of its document, not both."""
    client_id = read_client_id(text)
    known = await clients.find(client_id, may_ask=may_ask) if client_id else None
    return known if known and known.client.client_id == text else None


def read_client_id(text: str | None) -> UUID | None:
    """Return the id here of a client; None unless its name is in canonical form."""
    if text is not None and is_document_url(text):
        return id_of_document(text)
    try:
        client_id = UUID(text)
    except (TypeError, ValueError, AttributeError):
        return None
    return client_id if str(client_id) == text else None
