"""Clients that register themselves (RFC 7591)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

import structlog

from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.authority.models import OPENID_SCOPES
from keyfob.clients.models import ClientKind, RegisteredClient, Registrar
from keyfob.clients.registration import Unfit
from keyfob.clients.registration_tokens import RegistrationTokens
from keyfob.clients.self_registration import SelfRegistered
from keyfob.clients.service import Clients
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.problems import NotFound, Unauthenticated, Unavailable
from keyfob.core.secrets import new_id
from keyfob.devices.source import Source
from keyfob.oauth.errors import (
    InvalidClientMetadata,
    InvalidRedirectUri,
)
from keyfob.tokens.id_tokens import IdTokens

log = structlog.get_logger("keyfob.oauth")

# One that nobody has used by then asks in vain.
_KEPT_UNUSED = timedelta(days=1)
_WAIT = 3600
_MOST_HOSTS, _LONGEST_HOST = 5, 100


@dataclass(frozen=True, kw_only=True)
class DynamicRegistration:
    """Registers clients that ask for it themselves, with a token or without.

    Threat: a flood of registrations from very many addresses. Those that no user lets have anything
    are gone after a day, and more than 10,000 of them are refused. One network can register a third
    of these in a day (`KEYFOB_LIMIT_REGISTER_CLIENT`).
    """

    db: Database
    clock: Clock
    clients: Clients
    self_registered: SelfRegistered
    tokens: RegistrationTokens
    audit: Audit
    id_tokens: IdTokens
    mode: Literal["off", "token", "open"]

    @property
    def is_on(self) -> bool:
        """Tell whether clients may register themselves at all."""
        return self.mode != "off"

    async def register(self, told: object, *, token: str | None, source: Source) -> dict[str, Any]:
        """Return a new client as its metadata, with its secret if it has one.

        Raises:
            NotFound: clients may not register themselves.
            Unauthenticated: a token is needed, or the given one does not count.
            InvalidRedirectUri, InvalidClientMetadata: what it says does not fit.
            Unavailable: there are too many that nobody has used yet.
        """
        if not self.is_on:
            raise NotFound
        if token is None and self.mode == "token":
            raise Unauthenticated(presented=False)
        asked = self._read(told)
        now = self.clock.now()
        client = asked._replace(
            id=new_id(now), created_at=now, updated_at=now, kept_until=now + _KEPT_UNUSED
        )
        async with self.db.begin() as tx:
            if token is not None and not await self.tokens.spend(tx, token, now):
                raise Unauthenticated
            if token is None and await self.clients.is_full(Registrar.ITSELF):
                raise Unavailable(retry_after=_WAIT)
            await self.clients.add(tx, client)
            secret = None
            if client.auth_method.has_secret:
                _, secret = await self.clients.add_secret(tx, client.id, None)
            await self.audit.record(
                tx,
                action=Event.CLIENT_REGISTERED,
                actor_id=None,
                target_id=client.id,
                new=_told(client),
                source=source,
            )
        # Before it reads the keys. Threat: whoever is refused has us make some.
        await self.id_tokens.prepare(client.id_token_alg)
        log.info("client_registered", client_id=str(client.id))
        return _described(client, secret.text if secret else None)

    def _read(self, told: object) -> RegisteredClient:
        if not isinstance(told, Mapping):
            raise InvalidClientMetadata("The body should be a JSON object")
        try:
            return self.self_registered.read(told, Registrar.ITSELF)
        except Unfit as fault:
            if fault.field == "redirect_uris":
                raise InvalidRedirectUri(f"redirect_uris: {fault}") from None
            raise InvalidClientMetadata(f"{fault.field}: {fault}") from None


def _told(client: RegisteredClient) -> dict[str, Any]:
    """Return what the audit log keeps: little, since nobody here knows who writes it there."""
    hosts = dict.fromkeys(
        parts.netloc or f"{parts.scheme}:" for parts in map(urlsplit, client.redirect_uris)
    )
    return {
        "name": client.name,
        "kind": client.kind.value,
        "hosts": [host[:_LONGEST_HOST] for host in list(hosts)[:_MOST_HOSTS]],
    }


def _described(client: RegisteredClient, secret: str | None) -> dict[str, Any]:
    """Return what was registered, which is what holds from now on (RFC 7591 section 3.2.1)."""
    told: dict[str, Any] = {
        "client_id": client.client_id,
        "client_id_issued_at": int(client.created_at.timestamp()),
        "client_name": client.name,
        "application_type": "native" if client.kind is ClientKind.NATIVE else "web",
        "redirect_uris": list(client.redirect_uris),
        "grant_types": list(client.grants),
        "response_types": ["code"],
        "token_endpoint_auth_method": client.auth_method,
        "id_token_signed_response_alg": client.id_token_alg,
        "scope": " ".join([*OPENID_SCOPES, *client.scope]),
    }
    if secret is not None:
        told |= {"client_secret": secret, "client_secret_expires_at": 0}
    if client.dpop_bound:
        told["dpop_bound_access_tokens"] = True
    keys = {"jwks": client.jwks, "jwks_uri": client.jwks_uri}
    return told | {name: value for name, value in keys.items() if value is not None}
