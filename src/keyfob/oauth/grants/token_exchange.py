"""Tokens and API keys that a client was shown, for tokens of another audience (RFC 8693)."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import structlog

from keyfob.api_keys.service import ApiKeys
from keyfob.authority.models import has_second_factor
from keyfob.authority.roles import Roles
from keyfob.clients.models import AuthenticatedClient, Grant, RegisteredClient
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.forms import Form
from keyfob.core.problems import BadRequest
from keyfob.oauth.access_tokens import scope_now
from keyfob.oauth.authorization_queries import find_consent
from keyfob.oauth.errors import InvalidDpopProof, InvalidScope, InvalidTarget
from keyfob.oauth.models import GivenToken
from keyfob.oauth.targets import Target, Targets
from keyfob.sessions.revocations import Revocations, rests_on
from keyfob.tokens.access import AccessTokens
from keyfob.tokens.errors import TokenRejected
from keyfob.tokens.models import OWN_CLIENT, AccessClaims

log = structlog.get_logger("keyfob.oauth")

_OF_TOKENS = "urn:ietf:params:oauth:token-type:access_token"
_OF_KEYS = "urn:keyfob:token-type:api-key"

# Each exchange of an exchanged token adds two ids; tokens are bounded.
_MOST_IDS = 6


class _Subject(NamedTuple):
    """The claims that a subject token carries over, and where it came from.

    Without `needs_scope`, a token may be given that has no scope: of a user who signed in.
    """

    claims: AccessClaims
    needs_scope: bool


@dataclass(frozen=True, kw_only=True)
class TokenExchange:
    """Issues tokens on behalf of a subject, never for more than its token, and never for our API.

    The caller must be one that the subject token is meant for. The new token carries all that
    revokes the subject token, and expires no later. Its `act` names the caller: nobody is
    impersonated (RFC 8693 section 4.1).

    Args:
        factor_roles: roles that require a second factor; a sign-in without one gets no token.
    """

    db: Database
    targets: Targets
    tokens: AccessTokens
    keys: ApiKeys
    roles: Roles
    revocations: Revocations
    clock: Clock
    factor_roles: Collection[str]
    grant = Grant.TOKEN_EXCHANGE

    async def give(self, shown: AuthenticatedClient, form: Form) -> GivenToken:
        """Return a token for the client to use at another resource.

        Raises:
            BadRequest: the subject token is not valid or not meant for the client (RFC 8693 section
                2.2.2), or something is asked for that there is not.
            InvalidTarget: also for our own API.
            InvalidDpopProof: the subject token is bound to a key, and the client proves none.
            InvalidScope: beyond the subject's scope, the client's or the target's, or beyond what
                the user has let the client have there.
        """
        _refuse_what_is_not_offered(form)
        client = shown.client
        subject = await self._find_subject(client, form)
        if subject.claims.jkt is not None and shown.jkt is None:
            # Threat: what only the holder of a key could use becomes good for everybody.
            raise InvalidDpopProof(
                "A bound token is exchanged with a proof of the client's own key"
            )
        target = self._choose(client, form, subject)
        await self._ensure_allowed(client, target, subject.claims)
        claims = subject.claims._replace(
            client_id=str(client.id),
            client_gen=client.generation,
            scope=target.scope,
            audience=target.audience,
            ends_at=min(filter(None, (subject.claims.ends_at, shown.ends_at))),
            jkt=shown.jkt,
            actors=_actors(client, subject.claims),
        )
        token, lifetime = self.tokens.issue(claims, target.ttl)
        return GivenToken(token, lifetime, target.scope, {"issued_token_type": _OF_TOKENS})

    def _choose(self, client: RegisteredClient, form: Form, subject: _Subject) -> Target:
        named = (*form.list_all("resource"), *form.list_all("audience"))
        target = self.targets.choose(client, named, form.get("scope"), within=subject.claims.scope)
        if self.tokens.issuer in target.audience:
            raise InvalidTarget("No token is exchanged for one of our own API")
        claims = subject.claims
        # Threat: another API has a right of the same name, which its user has not allowed.
        of_app = claims.client_id != OWN_CLIENT and claims.auth_time is not None
        if of_app and self.tokens.issuer in claims.audience:
            raise InvalidTarget("A token of an app for our own API is for that alone")
        if subject.needs_scope and not target.scope:
            raise InvalidScope("The subject token has no scope of that resource")
        return target

    async def _ensure_allowed(
        self, client: RegisteredClient, target: Target, claims: AccessClaims
    ) -> None:
        """Check that an app's user has allowed what it gets for its own token at another API.

        Threat: that one has a right of the same name, of which its user was never asked. Who is an
        API, and was shown the token, acts with rights of its own, which no user is asked about.
        """
        is_own = claims.client_id == str(client.id) and claims.auth_time is not None
        if not is_own or client.first_party:
            return
        given = await find_consent(self.db, claims.subject, client.id)
        rights = self.targets.rights_of(target.scope, target.audience)
        is_allowed = bool(claims.actors) if given is None else set(rights) <= set(given.rights)
        if not is_allowed:
            raise InvalidScope("The user has not allowed that there")

    async def _find_subject(self, client: RegisteredClient, form: Form) -> _Subject:
        text, kind = form.need("subject_token"), form.need("subject_token_type")
        if kind not in {_OF_TOKENS, _OF_KEYS}:
            raise BadRequest(f"subject_token_type should be {_OF_TOKENS} or {_OF_KEYS}")
        found = self._of_token(client, text) if kind == _OF_TOKENS else None
        if kind == _OF_KEYS:
            found = await self._of_key(client, text)
        ends_at = found.claims.ends_at if found else None
        if found is None or ends_at is None or ends_at.timestamp() < self.clock.timestamp() + 1:
            log.info("subject_token_refused", client_id=str(client.id), kind=kind)
            raise BadRequest("The subject token is not valid, or not meant for this client")
        if len(found.claims.rests_on) > _MOST_IDS:
            raise BadRequest("The subject token was exchanged too often")
        return found

    def _of_token(self, client: RegisteredClient, text: str) -> _Subject | None:
        try:
            verified = self.tokens.read(text)
        except TokenRejected:
            return None
        claims, is_own = verified.claims, verified.claims.client_id == OWN_CLIENT
        # Our own API has two names, of which clients know this one.
        audience = (self.tokens.issuer,) if is_own else claims.audience
        is_meant = claims.client_id == str(client.id) or set(audience) & set(client.resources)
        lacks_factor = claims.role in self.factor_roles and not has_second_factor(claims.amr)
        if not is_meant or (is_own and lacks_factor):
            return None
        if self.revocations.kill_any(rests_on(verified)):
            return None
        # What revokes the subject token, besides its session and its subject.
        further = [*claims.rests_on, (verified.token_id, 0)]
        if not is_own and claims.client_id != str(claims.subject):
            further.append((UUID(claims.client_id), claims.client_gen))
        ends_at = datetime.fromtimestamp(verified.expires_at, UTC)
        given = claims._replace(
            ends_at=ends_at, rests_on=tuple(further), scope=scope_now(claims, self.roles)
        )
        return _Subject(given, needs_scope=not is_own)

    async def _of_key(self, client: RegisteredClient, text: str) -> _Subject | None:
        live = await self.keys.find(text)
        if live is None or live.lacks_factor:
            return None
        key, scope = live.key, self.keys.scope_of(live)
        if self.targets.resources.parts_of(scope).keys().isdisjoint(client.resources):
            return None
        claims = AccessClaims(
            subject=key.user_id,
            session_id=key.id,
            generation=0,
            role=live.role,
            roles=(live.role, *live.roles),
            ends_at=live.ends_at,
            sub_gen=live.sub_gen,
            scope=scope,
        )
        return _Subject(claims, needs_scope=True)


def _actors(client: RegisteredClient, claims: AccessClaims) -> tuple[UUID, ...]:
    """Return who acts for the subject, before whom, and so on.

    A client whose own token it is acts for nobody. But if others have acted for it, it is named
    before them: resources decide by the present actor alone (RFC 8693 section 4.1).
    """
    is_own = client.id == claims.subject and not claims.actors
    if is_own or client.id in claims.actors[:1]:
        return claims.actors
    return (client.id, *claims.actors)


def _refuse_what_is_not_offered(form: Form) -> None:
    if form.get("actor_token") is not None or form.get("actor_token_type") is not None:
        raise BadRequest("actor_token is not supported: the client that asks is the actor")
    if form.get("requested_token_type") not in {None, _OF_TOKENS}:
        raise BadRequest(f"requested_token_type should be {_OF_TOKENS}")
