"""Signing up with a password."""

from dataclasses import dataclass

from pydantic import SecretStr

from keyfob.accounts.email import Email
from keyfob.accounts.errors import EmailTaken
from keyfob.accounts.models import NewAccount
from keyfob.accounts.service import Accounts
from keyfob.audit.events import Event
from keyfob.audit.service import Audit
from keyfob.core.addresses import share_of
from keyfob.core.database import Database
from keyfob.devices.source import Source
from keyfob.login.door import AMR_PASSWORD, Door
from keyfob.login.models import Proof
from keyfob.login_log.models import Reason, Seen
from keyfob.passwords.service import Passwords
from keyfob.registration.sign_ups import SignUps
from keyfob.registration.verification import VerificationLinks
from keyfob.sessions.models import OpenedSession


@dataclass(frozen=True, kw_only=True)
class Registration:
    """Creates an account and signs it in.

    If addresses must be verified first, `sign_ups` does neither at once; if they may be verified,
    `verification` sends a link.
    """

    db: Database
    accounts: Accounts
    passwords: Passwords
    door: Door
    audit: Audit
    sign_ups: SignUps | None = None
    verification: VerificationLinks | None = None

    async def with_password(
        self, email: Email, password: SecretStr, name: str | None, source: Source
    ) -> OpenedSession | None:
        """Register a user; None if the address has to be verified first.

        Raises:
            InvalidInput: see `Accounts.ensure_fit`.
            WeakPassword: the password is refused, with the reason.
            EmailTaken: another account has the address; of many requests at once, one succeeds. Not
                raised if addresses have to be verified.
            Overloaded: too many passwords wait to be hashed.
        """
        self.accounts.ensure_fit(email)
        if self.sign_ups:
            await self.sign_ups.request(email, password, name, source)
            return None
        await self.passwords.ensure_acceptable(password, email.normal, name)
        # Hashed before the address is looked up, so that a taken address costs the same.
        password_hash = await self.passwords.hash(password, share_of(source.address))
        async with self.db.begin() as tx:
            account = NewAccount(
                email=email,
                password_hash=password_hash,
                name=name,
                locale=source.locale,
                registered_itself=True,
            )
            user_id = await self.accounts.add_account(tx, account)
            # There are no earlier sign-ins, so nobody has to be notified of a new place.
            proof = Proof(user_id, AMR_PASSWORD, Reason.REGISTERED, source, seen=Seen())
            session = await self.door.open(tx, proof)
            if session is None:  # pragma: no cover - nobody else can see the new row yet
                raise EmailTaken
            if self.verification:
                await self.verification.request_within(tx, email, source)
            await self.audit.record(
                tx, action=Event.USER_REGISTERED, actor_id=user_id, target_id=user_id, source=source
            )
        return session
