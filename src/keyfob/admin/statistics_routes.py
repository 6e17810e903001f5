"""Statistics, for the overview of a console."""

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from keyfob.admin.record_routes import LoginReader, Since, Until
from keyfob.authority.models import Role
from keyfob.core.http import Provided, may_refuse, router
from keyfob.core.problems import InvalidInput, Unavailable
from keyfob.limits.requests import limited
from keyfob.login_log.models import Outcome
from keyfob.own_account.models import Timezone
from keyfob.own_account.profile import is_timezone
from keyfob.statistics.models import By, Period, Present, Series
from keyfob.statistics.service import Statistics

routes = router("Administration", prefix="/admin")

Amounts = dict[str, int]


class PeriodOut(BaseModel):
    """One hour or day: what happened in it, and how things were at its end."""

    since: datetime
    until: datetime
    succeeded: int
    refused: int
    ended: Annotated[int, Field(description="Ends of sessions in the login log")]
    reasons: Annotated[Amounts, Field(description="The same lines of the login log, by reason")]
    registrations: int
    active: Annotated[
        int | None, Field(description="Accounts active in this hour, or these 24 hours")
    ]
    accounts: Annotated[int | None, Field(description="null: the end is to come, or not known")]
    with_factor: int | None
    with_passkey: int | None
    live_sessions: int | None

    @classmethod
    def of(cls, period: Period) -> "PeriodOut":
        sample = period.sample._asdict() if period.sample else {}
        names = ("active", "accounts", "with_factor", "with_passkey", "live_sessions")
        return cls(
            since=period.since,
            until=period.until,
            **{outcome.value: period.lines_of(outcome) for outcome in Outcome},
            reasons={reason: amount for (_, reason), amount in period.reasons.items()},
            registrations=period.registrations,
            **{name: sample.get(name) for name in names},
        )


class PresentOut(BaseModel):
    """The present figures."""

    accounts: int
    by_status: Amounts
    by_role: Amounts
    active_day: Annotated[int, Field(description="Accounts active in the last 24 hours")]
    active_month: Annotated[int, Field(description="Accounts active in the last 30 days")]
    with_factor: int
    with_passkey: int
    live_sessions: int
    admins_without_factor: Annotated[int, Field(description="Active administrators")]

    @classmethod
    def of(cls, present: Present) -> "PresentOut":
        statuses = sorted({status for _, status in present.accounts})
        figures = present._asdict()
        del figures["as_of"]
        figures["accounts"] = present.accounts_of()
        return cls(
            **figures,
            by_status={status: present.accounts_of(status=status) for status in statuses},
            by_role={role.value: present.accounts_of(role=role) for role in Role},
        )


class StatisticsOut(BaseModel):
    """Figures by hour or day, and of the present."""

    by: By
    zone: str
    as_of: Annotated[datetime, Field(description="The time of the count, at most a minute ago")]
    periods: list[PeriodOut]
    devices: Annotated[Amounts, Field(description="Kinds of devices of successful sign-ins")]
    browsers: Annotated[
        Amounts,
        Field(description="Browsers of successful sign-ins, the ten most; `Other` are not known"),
    ]
    present: PresentOut

    @classmethod
    def of(cls, by: By, zone: str, series: Series, present: Present) -> "StatisticsOut":
        most = sorted(series.browsers.items(), key=lambda used: (-used[1], used[0]))[:10]
        return cls(
            by=by,
            zone=zone,
            as_of=min(series.as_of, present.as_of),
            periods=[PeriodOut.of(period) for period in series.periods],
            devices=dict(series.devices),
            browsers=dict(most),
            present=PresentOut.of(present),
        )


@routes.get(
    "/statistics",
    dependencies=[Depends(limited("admin", by="caller"))],
    responses=may_refuse(Unavailable),
)
async def read_statistics(
    _: LoginReader,
    statistics: Annotated[Statistics, Provided(Statistics)],
    by: By = By.DAY,
    since: Since = None,
    until: Until = None,
    zone: Annotated[
        Timezone, Query(description="The time zone of hours and days, by its IANA name")
    ] = "UTC",
) -> StatisticsOut:
    """Return sign-ins, registrations and activity by hour (up to 7 days) or day (up to 90 days).

    By default those of the last 24 hours, or 30 days. Counts are at most a minute old.
    """
    if not await is_timezone(zone):
        detail = "should be a name of the IANA database, such as Europe/Berlin"
        raise InvalidInput([{"pointer": "/query/zone", "detail": detail}])
    series = await statistics.read(by, zone=ZoneInfo(zone), since=since, until=until)
    return StatisticsOut.of(by, zone, series, await statistics.present())
