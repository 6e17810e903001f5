"""Requests for a link to an address that may belong to anybody: the one flow for all of them.

Threats: somebody asks with another person's address and learns from the answer, or from the time
that it takes, whether there is an account; fills that mailbox; or uses up the mails that would let
the owner in.

So a request costs the same work and leaves the same behind for every address: `add` writes one row
into the outbox and looks nothing up. `answer`, the handler of that job, counts the mail and has it
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
    """A request that is being answered.

    `is_spare`: the cap is reached, and this is the spare link.
    """

    job: Job
    email: Email
    is_spare: bool

    @property
    def where(self) -> Where:
        """Return from where it was asked for."""
        where: Where = self.job.payload["where"]
        return where


Write: TypeAlias = Callable[[Tx, LinkRequest], Awaitable[bool]]
"""Finishes the job and writes its mail in a transaction; returns whether a link was written."""

Lend: TypeAlias = Callable[[Email, WriteSpare], Awaitable[None]]
"""Has a spare link to an address written, if somebody there needs one and may have it."""


@dataclass(frozen=True, kw_only=True)
class LinkRequests:
    """Takes and answers the requests for one sort of link.

    Args:
        kind: the kind of their jobs.
        db: the database.
        outbox: where they wait.
        links: what the links carry.
        cap: how many such mails one mailbox gets.
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
        """Write a request into the outbox; one statement, whatever the address.

        Args:
            tx: the transaction that the request belongs to, or the database.
            email: the address that the link is asked for.
            told: what the answer needs to know besides, as JSON can hold it.
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
        """Let one link to an address go out beyond the cap, so that nobody uses up the owner's.

        It lives until the next one is due, and opens whichever account the address has by then
        (`one_time_tokens.queries`). So somebody who reaches the cap on purpose, or gives the
        address one account after another, has put what the owner needs into the owner's mailbox,
        and nothing more.

        An account that somebody has verified, or that an administrator made, has a spare link of
        its own there: one from before does not open it, or ended with the sign-up that gave way.

        Tags of a mailbox whose accounts are unverified share a bound. Threat: somebody signs up
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
