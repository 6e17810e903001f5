"""Figures of periods, and of the present."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class By(StrEnum):
    """The length of the periods."""

    HOUR = "hour"
    DAY = "day"


class Sample(NamedTuple):
    """The state at the end of a period.

    Args:
        active: the accounts that were active in the hour, or the 24 hours, before that.
        accounts: all accounts.
        with_factor: those with a second factor.
        with_passkey: those with a passkey.
        live_sessions: the sessions that had not ended.
    """

    active: int
    accounts: int
    with_factor: int
    with_passkey: int
    live_sessions: int


class Period(NamedTuple):
    """An hour or day: events from `since` on and before `until`, and the state at its end.

    Args:
        reasons: the attempts to sign in and ends of sessions, by their outcome and reason.
        registrations: the accounts that were made then.
        sample: the state at the end; None if nobody looked at that moment, or it is to come.
    """

    since: datetime
    until: datetime
    reasons: Mapping[tuple[str, str], int]
    registrations: int
    sample: Sample | None

    def lines_of(self, outcome: str) -> int:
        """Return the number of lines of the login log with an outcome."""
        return sum(amount for (one, _), amount in self.reasons.items() if one == outcome)


# The name of all browsers that are not known (`devices.families`).
OTHER = "Other"


class Series(NamedTuple):
    """Periods in order, and the devices and browsers of their successful sign-ins."""

    as_of: datetime
    periods: Sequence[Period]
    devices: Mapping[str, int]
    browsers: Mapping[str, int]


class Present(NamedTuple):
    """The present figures.

    Args:
        accounts: the number of accounts by role and status.
        active_day: the accounts that were active in the last 24 hours.
        active_month: likewise in the last 30 days.
        with_factor, with_passkey, live_sessions: see `Sample`.
        admins_without_factor: active administrators who have no second factor.
    """

    as_of: datetime
    accounts: Mapping[tuple[str, str], int]
    active_day: int
    active_month: int
    with_factor: int
    with_passkey: int
    live_sessions: int
    admins_without_factor: int

    def accounts_of(self, *, role: str | None = None, status: str | None = None) -> int:
        """Return the number of accounts with a role and a status; None: any."""
        return sum(
            amount
            for (of_role, of_status), amount in self.accounts.items()
            if role in (None, of_role) and status in (None, of_status)
        )
