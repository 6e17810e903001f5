"""May this sign-in be tried; and all limits together, as wiring hands them out."""

from dataclasses import dataclass

from keyfob.core.addresses import client_bucket
from keyfob.core.clock import Clock
from keyfob.limits.errors import TooManyAttempts
from keyfob.limits.local import LocalRate
from keyfob.limits.models import RateState, Rule, Tally
from keyfob.limits.rates import RateLimits
from keyfob.limits.store import Store

_BATCH = 5000


@dataclass(frozen=True)
class Reservation:
    """An attempt that was counted before its password was checked.

    `refusal`: the account's own windows were full. Then whoever comes from where the account was
    never used is refused with it whatever the password, and everybody else if it is wrong.
    """

    pair: tuple[Tally, ...] = ()
    account: tuple[Tally, ...] = ()
    refusal: TooManyAttempts | None = None


@dataclass(frozen=True)
class SignInThrottle:
    """Bounds failed sign-ins, per pair of client and account and per account.

    Several windows in one rule make the delays grow. An attempt is counted before its password is
    checked and given back when it was right: counted afterwards, any number of guesses that run
    at once would find room. A client from which the account signed in before is held by its own
    pair alone, so that whoever guesses elsewhere can slow down the account, but never lock its
    owner out.

    Threat: whoever fills the account's windows, and then tries from a network that its owner uses,
    must not see that there is an account, and that it was used from there. So the same is counted
    for every attempt, wherever it comes from and whether there is an account or not, and what
    `refusal` is for tells apart only who knows the password.
    """

    pair: Rule
    account: Rule
    store: Store
    clock: Clock

    async def reserve(self, account: str, client: str) -> Reservation:
        """Count an attempt in the windows of the pair, and in the account's if these have room.

        Args:
            account: the normalised e-mail, also where there is no such account, so that answers
                are alike.
            client: the client's address.

        Raises:
            TooManyAttempts: the pair's windows have no room; nothing was counted.
            Unavailable: the store is away; the throttle fails closed.
        """
        pair = self.pair.windows(client_bucket(client), account)
        if not pair:
            return Reservation()
        outcome = await self.store.count_attempt(pair, beside=self.account.windows(account))
        now = self.clock.now()
        own, others = outcome.tallies[: len(pair)], outcome.tallies[len(pair) :]
        # The fields are the pair's alone: how often others failed is nobody's business.
        wait = RateState(outcome.tallies, now).retry_after
        refusal = TooManyAttempts(wait, RateState(own, now).headers)
        if not outcome.counted:
            raise refusal
        return Reservation(own, others) if outcome.beside else Reservation(own, refusal=refusal)

    async def forgive(self, reservation: Reservation) -> None:
        """Take back an attempt whose password was right, and empty the pair's windows.

        The account's other attempts stay counted: they may be someone else's.
        """
        if reservation.pair or reservation.account:
            await self.store.give_back(reservation.account, emptied=reservation.pair)

    async def pardon(self, account: str, client: str) -> None:
        """Empty the windows of a client and an account whose owner has proven to be there."""
        pair = self.pair.windows(client_bucket(client), account)
        if pair:
            await self.store.forget(pair)

    async def withdraw(self, reservation: Reservation) -> None:
        """Take back an attempt whose password was not checked: we were full, or failed."""
        if reservation.pair or reservation.account:
            await self.store.give_back((*reservation.pair, *reservation.account))


@dataclass(frozen=True)
class FactorThrottle:
    """Bounds wrong one-time codes of an account, whatever sign-in or session they come with.

    Six digits can be guessed, so they are counted over all workers and restarts, and before they
    are checked, as passwords are. Only who has just given the right password, or holds a session,
    is counted at all: a stranger can lock nobody out. Recovery codes and passkeys cannot be
    guessed and are not counted here, so the owner gets in while a thief of the password guesses.
    """

    rule: Rule
    store: Store
    clock: Clock

    async def reserve(self, *identifiers: str) -> Reservation:
        """Count an attempt of an account, or refuse it.

        Raises:
            TooManyAttempts: there is no room; nothing was counted.
            Unavailable: the store is away; the throttle fails closed.
        """
        windows = self.rule.windows(*identifiers)
        if not windows:
            return Reservation()
        outcome = await self.store.count_attempt(windows)
        if not outcome.counted:
            state = RateState(outcome.tallies, self.clock.now())
            raise TooManyAttempts(state.retry_after, state.headers)
        return Reservation(account=outcome.tallies)

    async def forgive(self, reservation: Reservation) -> None:
        """Take back an attempt that was right; the others stay, they may be someone else's."""
        if reservation.account:
            await self.store.give_back(reservation.account)


@dataclass(frozen=True)
class Limits:
    """Everything of this room that wiring hands out."""

    rates: RateLimits
    sign_in: SignInThrottle
    factor: FactorThrottle
    refresh: LocalRate
    store: Store

    async def delete_expired(self, batch: int = _BATCH) -> int:
        """Delete up to `batch` counts of windows that have ended; return how many."""
        return await self.store.delete_expired(batch)

    async def clean_up(self) -> None:
        """Delete all counts of windows that have ended, a batch at a time."""
        while await self.delete_expired(_BATCH) >= _BATCH:
            pass

    async def close(self) -> None:
        """Let go of the store's own connections."""
        await self.store.close()
