"""Sign-in on a device without a browser, by a code that is typed on another (RFC 8628).

Threat: somebody starts this on a device of their own, and talks a user into typing the code there
(section 5.4). So each client has to be registered for it, the page says what asks, from where and
since when, to allow it needs a recent sign-in, and the user gets a mail.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.authority.models import StepUp, User
from keyfob.clients.models import AuthenticatedClient, Grant, RegisteredClient
from keyfob.clients.service import Clients
from keyfob.core.batches import in_batches
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Tx
from keyfob.core.forms import Form
from keyfob.core.problems import BadRequest, Problem, TooManyRequests
from keyfob.core.secrets import random_text, random_word
from keyfob.core.text import size_of
from keyfob.devices.device import where_in_words
from keyfob.devices.places import Places
from keyfob.devices.source import Source
from keyfob.limits.rates import RateLimits
from keyfob.mail import mails
from keyfob.mail.service import Mail
from keyfob.oauth import authorization_queries, device_queries
from keyfob.oauth.authentication import ClientAuthentication
from keyfob.oauth.device_queries import Claimed, Request
from keyfob.oauth.errors import UnauthorizedClient
from keyfob.oauth.models import ClientRequest
from keyfob.oauth.targets import Targets
from keyfob.sessions.standing import Standing

# Section 6.1: no vowels, so that they spell nothing; no digits, which look like letters.
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_LETTERS_OF_CODE = 8  # 34 bits; they live for minutes, and few may be tried
_LONGEST_TYPED = 100

LIVES = timedelta(minutes=10)
# So that the device is told that its code has expired.
_STAYS = timedelta(minutes=10)
INTERVAL = 5  # seconds
_LONGEST_NONCE = 512  # bytes


class UnknownDevice(Problem):
    """No device waits with this code, for this user: it is mistyped, used, expired or another's."""

    status = 404
    code = "unknown_device"
    title = "No device waits with this code"


class Codes(NamedTuple):
    """The codes of a device: its own, and the one that is typed elsewhere."""

    device_code: str
    user_code: str


class AskingDevice(NamedTuple):
    """A device that waits for a user who has typed its code, and the client that it says to be."""

    client: RegisteredClient
    request: Claimed


@dataclass(frozen=True, kw_only=True)
class Devices:
    """Gives devices codes, and has users decide about them.

    Args:
        page: the address of the page where users type codes.
        most: how many may wait for one client. Threat: anybody can say to be a public one, and
            fills the table.
    """

    db: Database
    clock: Clock
    authentication: ClientAuthentication
    clients: Clients
    targets: Targets
    rates: RateLimits
    standing: Standing
    step_up: StepUp
    audit: Audit
    mail: Mail
    places: Places
    page: str
    most: int = 10_000

    async def begin(self, request: ClientRequest, source: Source) -> Codes:
        """Return the codes of a device that asks for a user (section 3.1).

        Raises:
            InvalidClient, BadRequest: see `ClientAuthentication.authenticate`.
            UnauthorizedClient: the client is not registered for this.
            InvalidScope, InvalidTarget: see `Targets.choose_for_user`.
            TooManyRequests: too many wait, or too many were asked for.
        """
        shown = await self.authentication.authenticate(request)
        asked = self._read(shown, request.form, source)
        if shown.client.is_public:
            await self.rates.hit("device", request.address)
        now = self.clock.now()
        for _ in range(2):  # by chance, another device may have the same
            codes = Codes(random_text(32), random_word(LETTERS, _LETTERS_OF_CODE))
            if await device_queries.insert_request(
                self.db,
                digest_of(codes.device_code),
                digest_of(codes.user_code),
                asked,
                interval=INTERVAL,
                now=now,
                expires_at=now + LIVES,
                most=self.most,
            ):
                return codes
        raise TooManyRequests(int(LIVES.total_seconds()))

    def _read(self, shown: AuthenticatedClient, form: Form, source: Source) -> Request:
        client, nonce = shown.client, form.get("nonce")
        if Grant.DEVICE_CODE not in client.grants:
            raise UnauthorizedClient
        if size_of(nonce) > _LONGEST_NONCE:
            raise BadRequest("nonce is too long")
        scope, audience = self.targets.choose_for_user(client, form)
        return Request(client.id, scope, audience, nonce, source)

    async def claim(self, typed: str, user: User) -> str:
        """Make a device that user's to decide about, who has typed its code; return the code.

        Threat: a second one, who has seen it, decides for the first.

        Raises:
            UnknownDevice: none waits with it, or it is another's by now.
        """
        code = read_user_code(typed)
        claimed = await device_queries.claim_request(
            self.db, digest_of(code), user.user_id, self.clock.now()
        )
        if not claimed:
            raise UnknownDevice
        await self.find(code, user)
        return code

    async def find(self, typed: str, user: User) -> AskingDevice:
        """Return a device that a user has claimed, and not yet decided about.

        It asks for no right at our own API that the user does not hold.

        Raises:
            UnknownDevice: there is none, or its client is not registered for this any more.
        """
        code = read_user_code(typed)
        request = await device_queries.find_claimed(
            self.db, digest_of(code), user.user_id, self.clock.now()
        )
        known = await self.clients.find(request.client_id) if request else None
        if request is None or known is None or Grant.DEVICE_CODE not in known.client.grants:
            raise UnknownDevice
        scope = self.targets.part_to_give(request.scope, request.audience, user)
        return AskingDevice(known.client, request._replace(scope=scope))

    async def allow(self, typed: str, user: User, source: Source) -> RegisteredClient:
        """Let a device have what it asks for; it gets that when it asks again. Return its client.

        `source` is the user's; that of the device is in the mail to the user, and in its grant.

        Raises:
            UnknownDevice: see `find`.
            InsufficientAuthentication: the sign-in is not recent.
            Unauthenticated: see `Standing.ensure`.
        """
        client, request = await self.find(typed, user)
        async with self.db.begin() as tx:
            await self.standing.ensure(tx, user)
            await self.step_up.ensure_recent(user, tx)
            decided = await device_queries.decide_request(
                tx,
                request.device_hash,
                user.user_id,
                user.session_id,
                self.clock.now(),
                scope=request.scope,
            )
            if not decided:
                raise UnknownDevice
            rights = self.targets.rights_of(request.scope, request.audience)
            await authorization_queries.add_consent(
                tx, user.user_id, client.id, rights, request.audience, self.clock.now()
            )
            await self._tell(tx, user, client, request, source)
        return client

    async def _tell(
        self, tx: Tx, user: User, client: RegisteredClient, request: Claimed, source: Source
    ) -> None:
        address = str(request.ip_address) if request.ip_address else None
        where = where_in_words(address, request.browser, request.os)
        place = self.places.find_all(address) or None
        told = mails.DeviceAllowed(app=client.name, place=place, **where)
        await self.mail.tell(tx, user.user_id, told)
        await self.audit.record(
            tx,
            action=Event.APP_ALLOWED_ON_DEVICE,
            actor_id=user.user_id,
            target_id=user.user_id,
            new={
                "client_id": str(client.id),
                "name": client.name,
                "scope": list(request.scope),
                "audience": list(request.audience),
                "device": where["device"],
            },
            source=source,
        )

    async def deny(self, typed: str, user: User) -> RegisteredClient:
        """Refuse a device, which is told when it asks again; return its client.

        Raises:
            UnknownDevice: see `find`.
            Unauthenticated: see `Standing.ensure`.
        """
        client, request = await self.find(typed, user)
        async with self.db.begin() as tx:
            await self.standing.ensure(tx, user)
            now = self.clock.now()
            if not await device_queries.decide_request(
                tx, request.device_hash, user.user_id, None, now
            ):
                raise UnknownDevice
        return client

    async def clean_up(self) -> None:
        """Delete what has expired some time ago."""
        before = self.clock.now() - _STAYS
        await in_batches(partial(device_queries.delete_old_requests, self.db, before))


def read_user_code(typed: str) -> str:
    """Return a code as it was made, however it was typed (RFC 8628 section 6.1)."""
    return "".join(one for one in typed[:_LONGEST_TYPED].upper() if one in LETTERS)


def shown_code(code: str) -> str:
    """Return a code as people read it: in two halves."""
    half = len(code) // 2
    return f"{code[:half]}-{code[half:]}"


def digest_of(code: str) -> bytes:
    """Return what is stored of a code."""
    return hashlib.sha256(code.encode(errors="replace")).digest()
