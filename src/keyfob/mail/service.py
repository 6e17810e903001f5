"""The interface for rooms that want to send mails.

    await mail.send(tx, Recipient.of(account), mails.Recover(token=token, ...), expires_at=...)
    await mail.tell(tx, user_id, mails.PasswordChanged(**source_in_words(source)))

Both only write to the outbox, in the caller's transaction. `mail.notices` counts mails that nobody
asked for, and `mail.delivery` does the rest.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from keyfob.accounts.service import Accounts
from keyfob.core.clock import Clock
from keyfob.core.database import Executor
from keyfob.mail.mails import Content, Erased, moment_in_words
from keyfob.mail.models import MAIL, NOTICE, QueuedMail, Recipient
from keyfob.outbox.service import Outbox

# After an erasure nothing personal is kept, not even the address of an undeliverable mail.
_FAREWELL = timedelta(days=2)


@dataclass(frozen=True, kw_only=True)
class Mail:
    """Writes mails to the outbox."""

    outbox: Outbox
    clock: Clock
    accounts: Accounts

    async def send(
        self, tx: Executor, to: Recipient, content: Content, *, expires_at: datetime | None = None
    ) -> None:
        """Write one mail, in the transaction of the change that causes it.

        Args:
            tx: the transaction of that change.
            to: the recipient; with a `user_id`, the mail is deleted with the account.
            content: the mail, with its parameters.
            expires_at: the end of the link's validity; a mail that is not sent by then is dropped.
        """
        now = self.clock.now()
        if content.at is None:
            content = replace(content, at=moment_in_words(now))
        if isinstance(content, Erased) and expires_at is None:
            expires_at = now + _FAREWELL
        until = None if expires_at is None else moment_in_words(expires_at)
        payload = QueuedMail(to=to, content=content, expires_at=until).payload()
        kind = NOTICE if content.is_notice else MAIL
        await self.outbox.add(tx, kind, payload, user_id=to.user_id, expires_at=expires_at)

    async def tell(self, tx: Executor, user_id: UUID, content: Content) -> None:
        """Write a mail to an account, in its language; do nothing if the account is gone."""
        contact = await self.accounts.find_contact(tx, user_id)
        if contact is not None:
            await self.send(tx, Recipient.of(contact), content)
