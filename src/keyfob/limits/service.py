"""Throttles of failed sign-ins and codes, and all limits together for wiring."""

from dataclasses import dataclass
from uuid import UUID

from keyfob.core.addresses import client_bucket
from keyfob.core.clock import Clock
from keyfob.limits.errors import TooManyAttempts
from keyfob.limits.local import LocalFailures, LocalRate
from keyfob.limits.models import RateState, Rule, Tally
from keyfob.limits.rates import RateLimits
from keyfob.limits.store import Store

_BATCH = 5000
_PARTS = 2  # one session may use one of so many parts of an account's codes


@dataclass(frozen=True)
class Reservation:
    """An attempt that was counted before its password was checked.

    `refusal` is set if the windows of the account were full. Then a client from a place where the
    account was never used is refused with it, whatever the password; other clients are refused with
    it only if the password is wrong.
    """

    pair: tuple[Tally, ...] = ()
    account: tuple[Tally, ...] = ()
    refusal: TooManyAttempts | None = None


@dataclass(frozen=True)
class SignInThrottle:
    """Limits failed sign-ins, per account and per pair of client and account.

    Several windows in one rule make the delays grow. An attempt is counted before its password is
    checked, and given back if the password was right: if it were counted afterwards, any number of
    parallel guesses would pass. A client from which the account has signed in before is limited by
    its own pair alone, so that somebody who guesses elsewhere can slow down attempts on the
    account, but never lock its owner out.

    Threat: somebody fills the windows of an account, then tries from a network that its owner uses,
    to learn that the account exists and was used from there. So the same is counted for every
    attempt, from anywhere and even if there is no such account, and only somebody who knows the
    password can see a difference that `refusal` makes.
    """

    pair: Rule
    account: Rule
    store: Store
    clock: Clock

    async def reserve(self, account: str, client: str) -> Reservation:
        """Count an attempt in the windows of the pair, and in the account's if these have space.

        Args:
            account: the normalised e-mail address, even if there is no such account, so that the
                answers are alike.
            client: the client's address.

        Raises:
            TooManyAttempts: the pair's windows are full; nothing was counted.
            Unavailable: the store is down; then all attempts are refused.
        """
        pair = self.pair.windows(client_bucket(client), account)
        if not pair:
            return Reservation()
        outcome = await self.store.count_attempt(pair, beside=self.account.windows(account))
        own, others = outcome.tallies[: len(pair)], outcome.tallies[len(pair) :]
        if outcome.beside:
            return Reservation(own, others)
        now = self.clock.now()
        wait = RateState(outcome.tallies, now).retry_after
        # The fields describe the pair alone: they must not reveal how often others failed.
        refusal = TooManyAttempts(wait, RateState(own, now).headers)
        if not outcome.counted:
            raise refusal
        return Reservation(own, refusal=refusal)

    async def forgive(self, reservation: Reservation) -> None:
        """Give back an attempt whose password was right, and empty the pair's windows.

        The account's other attempts stay counted: they may be somebody else's.
        """
        if reservation.pair or reservation.account:
            await self.store.give_back(reservation.account, emptied=reservation.pair)

    async def pardon(self, account: str, client: str) -> None:
        """Empty the windows of a client and an account whose owner is proven to use that client."""
        pair = self.pair.windows(client_bucket(client), account)
        if pair:
            await self.store.forget(pair)

    async def withdraw(self, reservation: Reservation) -> None:
        """Give back an attempt whose password was not checked, because we were full or failed."""
        if reservation.pair or reservation.account:
            await self.store.give_back((*reservation.pair, *reservation.account))


@dataclass(frozen=True)
class FactorThrottle:
    """Limits wrong one-time codes of an account, in all sign-ins and sessions together.

    Threat: the thief of a session, who knows no password, uses up the codes of the account, and its
    owner cannot sign in. So one session alone may use half of them.

    Six digits can be guessed. So codes are counted across all workers and restarts, and before they
    are checked, as passwords are. Only callers who have just given the right password, or who have
    a session, are counted at all: strangers can lock nobody out. Recovery codes and passkeys cannot
    be guessed and are not counted here, so the owner can sign in while a thief of the password
    guesses.
    """

    rule: Rule
    store: Store
    clock: Clock

    async def reserve(self, *identifiers: str, session_id: UUID | None = None) -> Reservation:
        """Count an attempt of an account, and of one of its sessions; or refuse it.

        Raises:
            TooManyAttempts: the windows are full; nothing was counted.
            Unavailable: the store is down; then all attempts are refused.
        """
        windows = self.rule.windows(*identifiers)
        if session_id is not None:
            windows += self.rule.windows("session", str(session_id), parts=_PARTS)
        if not windows:
            return Reservation()
        outcome = await self.store.count_attempt(windows)
        if not outcome.counted:
            state = RateState(outcome.tallies, self.clock.now())
            raise TooManyAttempts(state.retry_after, state.headers)
        return Reservation(account=outcome.tallies)

    async def forgive(self, reservation: Reservation) -> None:
        """Give back an attempt that was right; the others stay, they may be somebody else's."""
        if reservation.account:
            await self.store.give_back(reservation.account)


@dataclass(frozen=True)
class Limits:
    """All services of this room, for wiring."""

    rates: RateLimits
    sign_in: SignInThrottle
    factor: FactorThrottle
    refresh: LocalRate
    client: LocalRate
    client_failures: LocalFailures
    revoke: LocalRate
    push: LocalRate
    proof: LocalRate
    store: Store

    async def clean_up(self) -> None:
        """Delete all counts of windows that have ended, in batches."""
        while await self.store.delete_expired(_BATCH) >= _BATCH:
            pass

    async def close(self) -> None:
        """Close the store's own connections."""
        await self.store.close()
