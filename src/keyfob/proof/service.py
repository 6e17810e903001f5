"""Proving that an address belongs to somebody.

Threat: whoever typed an address first may be a stranger, who waits for its owner to prove it. So
until then an address belongs to nobody, and the effect of a proof depends on what else its bringer
knows.
"""

from dataclasses import dataclass, field
from enum import Enum, auto
from uuid import UUID

from keyfob.accounts.credentials import Credentials
from keyfob.accounts.models import Account
from keyfob.core.database import Tx
from keyfob.devices.source import Source
from keyfob.mfa.passkeys.challenges import Challenges
from keyfob.mfa.service import Factors
from keyfob.one_time_tokens.models import Kind
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.sessions.models import EndReason
from keyfob.sessions.service import Sessions


class Prover(Enum):
    """The reader of the mail, by what else is known of that person."""

    KNOWS_THE_ACCOUNT = auto()
    """Its password, or holds a session of it: the same person as the account's."""
    READER = auto()
    """Nothing else is known. What is in the account may be a stranger's."""


@dataclass(frozen=True)
class Proof:
    """The effects of a proof.

    `sessions` is the number of ended sessions, None if nothing had to end; `keeps_account` tells
    whether a planned erasure was cancelled. `counts` of everything that was ended are for the audit
    event.
    """

    is_first: bool = False
    sessions: int | None = None
    keeps_account: bool = False
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Proofs:
    """Marks addresses as verified; the first proof ends what a stranger may have left."""

    credentials: Credentials
    sessions: Sessions
    links: OneTimeTokens
    factors: Factors
    challenges: Challenges

    async def prove(self, tx: Tx, account: Account, prover: Prover, source: Source) -> Proof:
        """Mark the address of a locked account as verified, and return what that ended.

        Nothing is ended if the prover knows the account, or if the address was verified already.
        Otherwise everything is ended that somebody who signed in or signed up may have left. An
        account that was proven at another address has an owner, whose factors, name and plans stay.

        Args:
            tx: the transaction that has the account locked.
            account: the account, as it was locked.
            prover: what is known of the prover.
            source: the source of the request.
        """
        if prover is Prover.READER and not account.was_proven:
            return await self._end_all(tx, account.id, source)
        if prover is Prover.READER and not account.is_verified:
            return await self._end_sign_ins(tx, account.id, source)
        await self.credentials.mark_verified(tx, account.id)
        # They prove nothing any more, and the choices of other sign-ups do not concern the owner.
        await self.links.kill(tx, account.id, Kind.VERIFY_EMAIL)
        return Proof(is_first=not account.was_proven)

    async def _end_sign_ins(self, tx: Tx, user_id: UUID, source: Source) -> Proof:
        """End sessions and password of an account to which an administrator gave another address.

        Threat: somebody who signs in with earlier credentials would benefit from the proven
        address.
        """
        await self.credentials.mark_verified(tx, user_id)
        had_password = await self.credentials.forget_password(tx, user_id)
        sessions = await self.sessions.end_all(tx, user_id, EndReason.ADDRESS_PROVEN, source=source)
        links = await self.links.kill(tx, user_id)
        ended = {"sessions": sessions, "links": links, "password": int(had_password)}
        return Proof(sessions=sessions, counts=_present(ended))

    async def _end_all(self, tx: Tx, user_id: UUID, source: Source) -> Proof:
        typed = await self.credentials.start_afresh(tx, user_id, source.locale)
        forgotten = typed._asdict() if typed else {}
        # Pending logins end with the sessions.
        sessions = await self.sessions.end_all(tx, user_id, EndReason.ADDRESS_PROVEN, source=source)
        ended = {
            "sessions": sessions,
            "factors": await self.factors.remove_all(tx, user_id),
            "challenges": await self.challenges.kill(tx, user_id),
            "links": await self.links.kill(tx, user_id),
            **{name: int(was_there) for name, was_there in forgotten.items()},
        }
        return Proof(
            is_first=True,
            sessions=sessions,
            keeps_account=bool(typed and typed.erasure),
            counts=_present(ended),
        )


def _present(ended: dict[str, int]) -> dict[str, int]:
    return {name: number for name, number in ended.items() if number}
