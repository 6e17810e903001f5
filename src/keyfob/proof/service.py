"""Proving an address.

Threat: whoever typed an address first may be a stranger who waits for its owner to come and prove
it. So until then an address belongs to nobody, and a proof is worth what its bringer knows besides.
"""

from dataclasses import dataclass, field
from enum import Enum, auto
from uuid import UUID

from keyfob.accounts.credentials import Credentials
from keyfob.accounts.models import Account
from keyfob.core.database import Tx
from keyfob.core.locales import preferred_locale
from keyfob.devices.source import Source
from keyfob.mfa.passkeys.challenges import Challenges
from keyfob.mfa.service import Factors
from keyfob.one_time_tokens.models import Kind
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.sessions.models import EndReason
from keyfob.sessions.service import Sessions


class Prover(Enum):
    """Whoever has read the mail, by what else is known of them."""

    KNOWS_THE_ACCOUNT = auto()
    """Its password, or holds a session of it: the same person as the account's."""
    READER = auto()
    """Nothing else is known. What is in the account may be a stranger's."""


@dataclass(frozen=True)
class Proof:
    """What a proof did.

    How many `sessions` it ended, None if it was to end nothing; `keeps_account`: it took back a
    planned erasure. `counts` of all that it ended are for the audit event alone.
    """

    is_first: bool = False
    sessions: int | None = None
    keeps_account: bool = False
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Proofs:
    """Writes that an address is proven; at the first proof ends what a stranger may have left."""

    credentials: Credentials
    sessions: Sessions
    links: OneTimeTokens
    factors: Factors
    challenges: Challenges

    async def prove(self, tx: Tx, account: Account, prover: Prover, source: Source) -> Proof:
        """Write that the address of a locked account is proven, and return what that ended.

        Nothing ends where the prover knows the account, or the address was proven already. Else
        everything does that somebody who signed in, or signed up, can have left. An account that
        was proven at another address has an owner, whose factors, name and plans stay.

        Args:
            tx: the transaction that locks the account.
            account: as it was locked.
            prover: who it is.
            source: where the request came from.
        """
        if prover is Prover.READER and not account.was_proven:
            return await self._end_all(tx, account.id, source)
        if prover is Prover.READER and not account.is_verified:
            return await self._end_sign_ins(tx, account.id, source)
        await self.credentials.mark_verified(tx, account.id)
        # They prove nothing any more, and what other sign-ups chose is none of the owner's.
        await self.links.kill(tx, account.id, Kind.VERIFY_EMAIL)
        return Proof(is_first=not account.was_proven)

    async def _end_sign_ins(self, tx: Tx, user_id: UUID, source: Source) -> Proof:
        """End what is signed in, and the password, where an administrator gave another address.

        Threat: whoever signs in with what is known of before would have this address proven.
        """
        await self.credentials.mark_verified(tx, user_id)
        had_password = await self.credentials.forget_password(tx, user_id)
        sessions = await self.sessions.end_all(tx, user_id, EndReason.ADDRESS_PROVEN, source=source)
        links = await self.links.kill(tx, user_id)
        ended = {"sessions": sessions, "links": links, "password": int(had_password)}
        return Proof(sessions=sessions, counts=_present(ended))

    async def _end_all(self, tx: Tx, user_id: UUID, source: Source) -> Proof:
        locale = preferred_locale(source.languages)
        typed = await self.credentials.start_afresh(tx, user_id, locale)
        forgotten = typed._asdict() if typed else {}
        # With the sessions the sign-ins that wait for a factor.
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
