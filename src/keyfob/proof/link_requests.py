"""Requests for a link to an address of anybody: the common flow of all of them.

Threats: somebody asks with another person's address, and learns from the answer, or from the time
that it takes, whether there is an account; fills that mailbox; or uses up the mails that the owner
needs to sign in.

So a request causes the same work and leaves the same traces for every address: `add` writes one row
to the outbox and looks nothing up. `answer`, the handler of that job, counts the mail and has it
written: within the cap of its sort, or beyond the cap as the spare link.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

from keyfob.accounts.email import Email
from keyfob.accounts.models import AddressOwner
from keyfob.core.database import Database, Executor, Tx
from keyfob.devices.device import Where
from keyfob.limits.mail_caps import Cap
from keyfob.limits.mail_caps import Write as WriteSpare
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.outbox.models import Job
from keyfob.outbox.service import Outbox


class LinkRequest(NamedTuple):
    """A request for a link, while it is answered.

    `is_spare`: the cap is reached, and this is the spare link.
    """

    job: Job
    email: Email
    is_spare: bool

    @property
    def where(self) -> Where:
        """Return the source of the request."""
        told = self.job.payload["where"]  # that of an older release has more
        return Where(address=told["address"], device=told["device"])


Write: TypeAlias = Callable[[Tx, LinkRequest], Awaitable[bool]]
"""Finishes the job and writes its mail in a transaction; returns whether a link was written."""

Lend: TypeAlias = Callable[[Email, WriteSpare], Awaitable[None]]
"""Has a spare link to an address written, if somebody there needs one and may have it."""


@dataclass(frozen=True, kw_only=True)
class LinkRequests:
    """Accepts and answers requests for one sort of link.

    Args:
        kind: the kind of their jobs.
        db: the database.
        outbox: the outbox, in which they wait.
        links: the one-time tokens of the links.
        cap: the cap of such mails to one mailbox.
    """

    kind: str
    db: Database
    outbox: Outbox
    links: OneTimeTokens
    cap: Cap

    async def add(
        self,
        tx: Executor,
        email: Email,
        told: Mapping[str, Any],
        *,
        user_id: UUID | None = None,
        expires: bool = True,
    ) -> None:
        """Write a request to the outbox; one statement, whatever the address.

        Args:
            tx: the transaction that the request belongs to, or the database.
            email: the address that the link is requested for.
            told: further data for the answer, as JSON values.
            user_id: the account that asks; the request is deleted with it.
            expires: whether the request is dropped when a link made now would have expired.
        """
        await self.outbox.add(
            tx,
            self.kind,
            {"email": email.typed, **told},
            user_id=user_id,
            expires_at=self.links.expiry() if expires else None,
        )

    async def answer(self, job: Job, write: Write, lend: Lend) -> None:
        """Count the mail of a request and have it written, or lend a spare link beyond the cap.

        Raises:
            Unavailable: the store of the limits does not answer.
        """
        email = Email.parse(job.payload["email"])

        async def attempt(*, is_spare: bool) -> bool:
            async with self.db.begin() as tx:
                return await write(tx, LinkRequest(job, email, is_spare))

        if await self.cap.allows(email.normal):
            await attempt(is_spare=False)
        else:
            await lend(email, partial(attempt, is_spare=True))

    async def lend_spare(self, owner: AddressOwner | None, email: Email, write: WriteSpare) -> None:
        """Send one link to an address beyond the cap, so that nobody can use up the owner's links.

        It is valid until the next one is due, and opens the account that has the address by then
        (`one_time_tokens.queries`). So somebody who reaches the cap on purpose, or gives the
        address to one account after another, has only put a link into the owner's mailbox that the
        owner can use.

        An account that was verified, or made by an administrator, has a spare link of its own: an
        earlier link does not open it, or was invalidated with the sign-up that gave way.

        Tags of a mailbox whose accounts are unverified share a limit. Threat: somebody signs up
        with two hundred tags and has two hundred links sent to that mailbox.

        Args:
            owner: the account that has the address; None if it is free.
            email: the address.
            write: begins the transaction that writes the link.

        Raises:
            Unavailable: the store of the limits does not answer.
        """
        await self.cap.lend_spare(
            email.normal,
            write,
            proven=owner is not None and owner.is_verified,
            owner=None if owner is None or owner.is_strangers else owner.id,
        )
