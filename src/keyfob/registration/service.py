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
from keyfob.core.locales import Locale
from keyfob.devices.source import Source
from keyfob.login.door import AMR_PASSWORD, Door, Proof
from keyfob.login_log.models import Reason, Seen
from keyfob.passwords.service import Passwords
from keyfob.registration.sign_ups import SignUps
from keyfob.registration.verification import VerificationLinks
from keyfob.sessions.models import OpenedSession


@dataclass(frozen=True, kw_only=True)
class Registration:
    """Makes an account and signs it in.

    Where an address must be proven first there are `sign_ups`, which do neither at once; where it
    may be, `verification` sends a link.
    """

    db: Database
    accounts: Accounts
    passwords: Passwords
    door: Door
    audit: Audit
    sign_ups: SignUps | None = None
    verification: VerificationLinks | None = None

    async def with_password(
        self, email: Email, password: SecretStr, name: str | None, locale: Locale, source: Source
    ) -> OpenedSession | None:
        """Register; None where the address is to be proven first.

        Raises:
            InvalidInput: as `Accounts.ensure_fit` says.
            WeakPassword: with the reason.
            EmailTaken: the address has an account; of a hundred at once, one is made. Not said
                where addresses are to be proven.
            Overloaded: too many passwords wait to be hashed.
        """
        self.accounts.ensure_fit(email)
        if self.sign_ups:
            await self.sign_ups.request(email, password, name, locale, source)
            return None
        await self.passwords.ensure_acceptable(password, email.normal, name)
        # Hashed before the address is looked up, so that a taken one costs the same.
        password_hash = await self.passwords.hash(password, share_of(source.address))
        async with self.db.begin() as tx:
            account = NewAccount(
                email=email,
                password_hash=password_hash,
                name=name,
                locale=locale,
                registered_itself=True,
            )
            user_id = await self.accounts.add_account(tx, account)
            # Nothing was seen before, so there is nobody to be told of a new place.
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
