"""Mail, from the point of view of whoever has something to say.

    await mail.send(tx, Recipient(...), Template.RECOVER, {"token": token}, expires_at=...)
    await mail.tell(tx, user_id, Template.PASSWORD_CHANGED, {"address": ..., "device": ...})

Both only write to the outbox, in the caller's transaction. `mail.notices` counts what was not asked
for, and `mail.delivery` does the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from keyfob.accounts.service import Accounts
from keyfob.core.clock import Clock
from keyfob.core.database import Executor
from keyfob.mail.models import ASKED_FOR, KNOWN, MAIL, NEEDED, NOTICE, Recipient, Template
from keyfob.mail.writing import moment_in_words
from keyfob.outbox.service import Outbox

# After an erasure nothing personal is kept, not even an address that no mail gets through to.
_FAREWELL = timedelta(days=2)


@dataclass(frozen=True, kw_only=True)
class Mail:
    """Writes mails into the outbox."""

    outbox: Outbox
    clock: Clock
    accounts: Accounts

    async def send(
        self,
        tx: Executor,
        to: Recipient,
        template: Template,
        params: Mapping[str, Any] | None = None,
        *,
        expires_at: datetime | None = None,
    ) -> None:
        """Write one mail with the change that causes it.

        Args:
            tx: the transaction of that change.
            to: who gets it; with its `user_id` the mail goes when the account goes.
            template: what it says.
            params: `token` for a mail with a link, and what is known of `at`, `address` and
                `device` (what was done from where), `place` (or its name in each language),
                `factor`, `new_email`, `codes_left`, `erase_at`, `is_first_proof` and `is_kept`
                (no erasure is planned any more). Times become text in UTC.
            expires_at: when the link dies; a mail that is not sent by then is dropped.

        Raises:
            ValueError: a param is missing or not known: a fault of the caller.
        """
        told = {"at": self.clock.now(), **(params or {})}
        if wrong := (NEEDED.get(template, frozenset()) - told.keys()) | (told.keys() - KNOWN):
            raise ValueError(f"{template}: missing or unknown: {', '.join(sorted(wrong))}")
        if template is Template.ERASED and expires_at is None:
            expires_at = self.clock.now() + _FAREWELL
        payload = {
            "to": {
                "address": to.address,
                "locale": to.locale,
                "name": to.name,
                "proven": to.proven,
            },
            "template": template,
            "params": {name: _plain(value) for name, value in told.items()},
            "expires_at": None if expires_at is None else _plain(expires_at),
        }
        kind = MAIL if template in ASKED_FOR else NOTICE
        await self.outbox.add(tx, kind, payload, user_id=to.user_id, expires_at=expires_at)

    async def tell(
        self,
        tx: Executor,
        user_id: UUID,
        template: Template,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a mail to an account, in its language; nothing if the account is gone."""
        contact = await self.accounts.find_contact(tx, user_id)
        if contact is not None:
            email, name, locale, is_verified = contact
            to = Recipient(email, locale, user_id, name, is_verified)
            await self.send(tx, to, template, params)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return moment_in_words(value)
    if isinstance(value, Mapping):  # a text in each language
        return {str(locale): str(text) for locale, text in value.items()}
    return value if value is None or isinstance(value, int) else str(value)
