"""The authorization endpoint's decisions: who has to sign in, to consent, or gets a code.

A request that waits for its user is stored, so that nothing that comes back from the browser can
change it.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import NamedTuple
from urllib.parse import urlencode

from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.authority.models import StepUp, User, has_second_factor
from keyfob.clients.models import RegisteredClient
from keyfob.clients.uris import find_redirect_uri, is_https
from keyfob.core.batches import in_batches
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Executor, Tx
from keyfob.core.forms import Form
from keyfob.core.problems import InsufficientAuthentication
from keyfob.core.secrets import random_text
from keyfob.oauth import authorization_queries as queries
from keyfob.oauth.app_access import AppAccess
from keyfob.oauth.asking import UNMET, Asked, Asking, RefusedToApp, UnknownApp
from keyfob.sessions.standing import Standing

# To sign in may need a mail; a code is exchanged by a program.
_REQUEST_LIVES = timedelta(hours=1)
# Until the browser comes with it (RFC 9126 section 2.2).
PUSHED_LIVES = timedelta(seconds=90)
PUSHED = "urn:ietf:params:oauth:request_uri:"
_CODE_LIVES = timedelta(seconds=60)
# So that a code that is used twice is recognised.
_SPENT_CODES_STAY = timedelta(minutes=10)


class Step(StrEnum):
    """The next step of a request, for its user."""

    SIGN_IN = "sign_in"
    PROVE = "prove"  # who is signed in proves it once more
    SWITCH = "switch"  # the app asks for another user than who is signed in
    CONSENT = "consent"
    ANSWER = "answer"


class Waiting(NamedTuple):
    """A stored request, its client, and when it came."""

    client: RegisteredClient
    asked: Asked
    came_at: datetime


@dataclass(frozen=True, kw_only=True)
class Authorization:
    """Decides about requests of apps, and answers them with codes."""

    db: Database
    clock: Clock
    asking: Asking
    standing: Standing
    step_up: StepUp
    audit: Audit
    app_access: AppAccess
    issuer: str

    async def push(self, asked: Asked) -> str:
        """Store a request until a browser comes with it; return its `request_uri` (RFC 9126)."""
        handle, now = PUSHED + random_text(32), self.clock.now()
        await queries.insert_request(self.db, _digest(handle), asked, now, now + PUSHED_LIVES)
        return handle

    async def arrive(self, form: Form) -> tuple[Waiting, str | None]:
        """Return the request that a browser has brought; of a pushed one, also its handle.

        A pushed one counts once, when it is answered, and not when a page is loaded: programs that
        look at links first, or a reload, would use it up (FAPI 2.0 section 5.3.2.2).

        Raises:
            UnknownApp: nobody can be told what is wrong; a pushed request has expired, was answered
                or is another client's.
            RefusedToApp: the request is not valid, or should have been pushed.
        """
        handle = form.get("request_uri") or ""
        if not handle.startswith(PUSHED):
            client, asked = await self.asking.read(form)
            return Waiting(client, asked, self.clock.now()), None
        waiting = await self.find(handle)
        has_expired = waiting.came_at + PUSHED_LIVES <= self.clock.now()
        if has_expired or form.get("client_id") != waiting.client.client_id:
            raise UnknownApp
        return waiting, handle

    async def keep(self, asked: Asked, handle: str | None) -> str:
        """Store a request until its user has signed in and decided; return its handle."""
        now = self.clock.now()
        if handle is not None:
            await queries.prolong_request(self.db, _digest(handle), now + _REQUEST_LIVES)
            return handle
        handle = random_text(32)
        await queries.insert_request(self.db, _digest(handle), asked, now, now + _REQUEST_LIVES)
        return handle

    async def find(self, handle: str) -> Waiting:
        """Return a stored request.

        Raises:
            UnknownApp: there is none, it has expired, its client or redirect URI is not registered
                any more, or it was not made as its client has to by now.
        """
        found = await queries.find_request(self.db, _digest(handle), self.clock.now())
        if found is None:
            raise UnknownApp
        asked, came_at = found
        client = await self.asking.find_app(asked.client_id)
        # Threat: a place that the app has lost to somebody else gets the codes of requests that
        # were stored while it was registered; or they are weaker than the app has to ask by now.
        is_weaker = (client.require_par and not handle.startswith(PUSHED)) or (
            client.require_pkce and asked.challenge is None
        )
        if is_weaker or not find_redirect_uri(client, asked.redirect_uri):
            raise UnknownApp
        return Waiting(client, asked, came_at)

    async def decide(
        self, client: RegisteredClient, asked: Asked, came_at: datetime, user: User | None
    ) -> Step:
        """Return what comes next.

        Raises:
            RefusedToApp: the app wants no page to be shown (`prompt=none`), but one is needed; or
                a second factor is essential to it, and who has just signed in has none.
        """
        step, error = await self._choose(client, asked, came_at, user)
        if error and "none" in asked.prompt:
            raise RefusedToApp(asked, error)
        return step

    async def _choose(
        self, client: RegisteredClient, asked: Asked, came_at: datetime, user: User | None
    ) -> tuple[Step, str | None]:
        """Return what comes next, and the error of an app that wants no page to be shown."""
        if user is None:
            return Step.SIGN_IN, "login_required"
        if asked.user_id not in {None, user.user_id}:
            # Nobody else may answer (OpenID Connect Core section 3.1.2.1).
            return Step.SWITCH, "login_required"
        asked = self.narrowed(asked, user)
        is_old = self._is_too_old(asked, came_at, user)
        if is_old or not await self._may_give(self.db, asked, user):
            return Step.PROVE, "login_required"
        if user.is_restricted or await self._lacks_factor(user):
            return Step.PROVE, "interaction_required"
        if asked.needs_factor and not has_second_factor(user.amr):
            raise RefusedToApp(asked, UNMET)
        if await self._needs_consent(self.db, client, asked, user):
            return Step.CONSENT, "consent_required"
        return Step.ANSWER, None

    async def _lacks_factor(self, user: User) -> bool:
        try:
            await self.step_up.ensure_factor(user)
        except InsufficientAuthentication:
            return True
        return False

    def narrowed(self, asked: Asked, user: User) -> Asked:
        """Return a request without those rights at our own API that its user does not hold."""
        scope = self.asking.targets.part_to_give(asked.scope, asked.audience, user)
        return asked._replace(scope=scope)

    async def _may_give(self, db: Executor, asked: Asked, user: User) -> bool:
        """Tell whether a sign-in is recent enough for what an app is given at our own API.

        Threat: the thief of an old session has an app of their own administer, which needs no
        recent sign-in then.
        """
        if not self.asking.targets.are_over_others(asked.scope, asked.audience):
            return True
        try:
            await self.step_up.ensure_recent(user, db)
        except InsufficientAuthentication:
            return False
        return True

    def _is_too_old(self, asked: Asked, came_at: datetime, user: User) -> bool:
        """Tell whether the sign-in is older, or weaker, than what the app asks for.

        One that came after the request is always recent enough, however short `max_age` is.
        """
        if user.auth_time >= came_at.replace(microsecond=0):
            return False
        is_old = asked.max_age is not None and (
            self.clock.now() - user.auth_time > timedelta(seconds=asked.max_age)
        )
        wants_factor = asked.wants_factor or asked.needs_factor
        is_weak = wants_factor and not has_second_factor(user.amr)
        return is_old or is_weak or "login" in asked.prompt

    async def _needs_consent(
        self, db: Executor, client: RegisteredClient, asked: Asked, user: User
    ) -> bool:
        if {"consent", "select_account"} & set(asked.prompt):
            return True
        if client.is_self_registered or not is_remembered(asked.redirect_uri):
            return True
        if client.first_party and not self.asking.targets.is_own(asked.audience):
            return False
        given = await queries.find_consent(db, user.user_id, client.id)
        return given is None or not (
            set(self._rights_of(asked)) <= set(given.rights)
            and set(asked.audience) <= set(given.audience)
        )

    async def answer(
        self,
        client: RegisteredClient,
        asked: Asked,
        user: User,
        handle: str | None,
        *,
        allows: bool = False,
    ) -> dict[str, str]:
        """Return the parameters of a good answer: a code, for 60 seconds and one use.

        A stored request is answered once. `allows`: the user has just said so, which is remembered.

        Raises:
            UnknownApp: it was answered meanwhile.
            RefusedToApp: the user took the consent back meanwhile.
            InsufficientAuthentication: the user has added a factor meanwhile, and not shown it; or
                the sign-in is not recent, and the app would administer.
            Unauthenticated: see `Standing.ensure`.
        """
        code, now = random_text(32), self.clock.now()
        asked = self.narrowed(asked, user)
        async with self.db.begin() as tx:
            await self.standing.ensure(tx, user)
            await self.step_up.ensure_factor(user, tx)
            if self.asking.targets.are_over_others(asked.scope, asked.audience):
                await self.step_up.ensure_recent(user, tx)
            if handle is not None and not await queries.delete_request(tx, _digest(handle)):
                raise UnknownApp
            if allows:
                await self._remember(tx, client, asked, user)
            elif await self._needs_consent(tx, client, asked, user):
                raise RefusedToApp(asked, "access_denied")
            await queries.insert_code(
                tx, _digest(code), asked, user.user_id, user.session_id, now + _CODE_LIVES
            )
        return self._with_state(asked, {"code": code})

    async def _remember(self, tx: Tx, client: RegisteredClient, asked: Asked, user: User) -> None:
        await queries.add_consent(
            tx, user.user_id, client.id, self._rights_of(asked), asked.audience, self.clock.now()
        )
        if client.is_self_registered:
            await self.asking.clients.keep(tx, client.id)
            await self.app_access.end_oldest_of_strangers(tx, user.user_id)
        await self.audit.record(
            tx,
            action=Event.APP_ALLOWED,
            actor_id=user.user_id,
            target_id=user.user_id,
            new={
                "client_id": client.client_id,
                "name": client.name,
                "scope": list(asked.consented),
                "audience": list(asked.audience),
            },
        )

    def _rights_of(self, asked: Asked) -> tuple[str, ...]:
        return self.asking.targets.rights_of(asked.consented, asked.audience)

    def refuse(self, refusal: RefusedToApp) -> dict[str, str]:
        """Return the parameters that tell the app of a refusal."""
        told = {"error": refusal.error}
        if refusal.description:
            told["error_description"] = refusal.description
        return self._with_state(refusal.asked, told)

    async def drop(self, handle: str) -> None:
        """Forget a stored request that was refused."""
        await queries.delete_request(self.db, _digest(handle))

    def _with_state(self, asked: Asked, told: dict[str, str]) -> dict[str, str]:
        state = {} if asked.state is None else {"state": asked.state}
        # RFC 9207: the app sees that no other server has answered.
        return {**told, **state, "iss": self.issuer}

    async def clean_up(self) -> None:
        """Delete what has expired."""
        now = self.clock.now()
        await in_batches(partial(queries.delete_old_requests, self.db, now))
        await in_batches(partial(queries.delete_old_codes, self.db, now - _SPENT_CODES_STAY))


def is_remembered(redirect_uri: str) -> bool:
    """Tell whether consent for an app there is remembered, or may be skipped.

    Threat: any program of a machine can listen at its loopback address, or take a private-use
    scheme, and say to be the app (RFC 8252 section 8.6).
    """
    return is_https(redirect_uri)


def with_parameters(redirect_uri: str, told: dict[str, str]) -> str:
    """Return a redirect URI with the parameters of an answer added to its query."""
    mark = "&" if "?" in redirect_uri else "?"
    return f"{redirect_uri}{mark}{urlencode(told)}"


def challenge_of(verifier: str) -> bytes:
    """Return the SHA-256 of a code verifier (RFC 7636 section 4.6)."""
    return hashlib.sha256(verifier.encode("ascii", "replace")).digest()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="replace")).digest()


digest_of_code = _digest
