"""The overview, the first page of the console."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar

from fastapi import Depends
from markupsafe import Markup
from starlette.responses import Response

from keyfob.audit.models import AuditFilter
from keyfob.audit.service import Audit
from keyfob.authority.models import Permission, User
from keyfob.authority.requiring import require
from keyfob.authority.roles import Roles
from keyfob.core.http import Provided
from keyfob.core.locales import _, ngettext
from keyfob.health.state import Attention, State, Watch
from keyfob.limits.requests import limited
from keyfob.login_log.models import Outcome, Reason
from keyfob.statistics.models import OTHER, By, Period, Present
from keyfob.statistics.service import Statistics
from keyfob.web.console.reading import first_view, lines_of, link_of
from keyfob.web.parts.charts import Bar, area, bars, share, spark
from keyfob.web.parts.entries import Day, by_day, entry_of_event
from keyfob.web.parts.sentences import reason_title
from keyfob.web.parts.times import date_in_words, hour_in_words, local_date, number, zone_of_reader
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

# The choices of the range: by what, and for how long.
_RANGES = {"day": (By.HOUR, 1), "month": (By.DAY, 30), "quarter": (By.DAY, 90)}
_MOST_REASONS = 6
_LATEST = 8


@dataclass(frozen=True, kw_only=True)
class Row:
    """One hour or day, as a row of the table below the chart."""

    words: str
    href: str
    good: int
    bad: int
    registered: int


@dataclass(frozen=True, kw_only=True)
class Share:
    """A part of a whole: words, a number, and a drawing of the share."""

    words: str
    amount: int
    drawing: Markup


@dataclass(frozen=True, kw_only=True)
class OverviewPage:
    """The figures of a range, what needs attention, and the latest changes."""

    template: ClassVar[str] = "console/overview.html"

    range: str
    state: State
    needs: Sequence[Attention]
    version: str
    rows: Sequence[Row]
    drawing: Markup
    finding: str
    actives: Sequence[int]
    reasons: Sequence[Share]
    devices: Sequence[Share]
    latest: Sequence[Day]

    @property
    def present(self) -> Present:
        """The present figures."""
        return self.state.present

    @property
    def accounts(self) -> int:
        """The number of accounts."""
        return self.present.accounts_of()

    @property
    def good(self) -> int:
        """The sign-ins of the range."""
        return sum(row.good for row in self.rows)

    @property
    def bad(self) -> int:
        """The refused ones."""
        return sum(row.bad for row in self.rows)

    @property
    def registered(self) -> int:
        """The accounts that were made in the range."""
        return sum(row.registered for row in self.rows)

    @property
    def active(self) -> Markup | None:
        """A drawing of active accounts; None if there is not enough to draw."""
        return area(self.actives, say=number) if len(self.actives) > 1 else None

    @property
    def sparks(self) -> Sequence[Markup]:
        """Small drawings: of sign-ins, refusals, and active accounts."""
        return [
            spark([row.good for row in self.rows]),
            spark([row.bad for row in self.rows], "bad"),
            spark(self.actives or [0]),
        ]

    @property
    def with_factor(self) -> Markup:
        """A drawing of the share of accounts with a second factor."""
        return share(self.present.with_factor, self.accounts)


@routes.get("/console", dependencies=[Depends(limited("admin", by="caller"))])
async def enter(
    visit: AVisit,
    caller: Annotated[User, require()],
    roles: Annotated[Roles, Provided(Roles)],
) -> Response:
    """Go to the first view that the reader may see."""
    return first_view(visit, roles)


@routes.get("/console/overview", dependencies=[Depends(limited("admin", by="caller"))])
async def show(
    visit: AVisit,
    caller: Annotated[User, require(Permission.LOGINS_READ)],
    statistics: Annotated[Statistics, Provided(Statistics)],
    watch: Annotated[Watch, Provided(Watch)],
    audit: Annotated[Audit, Provided(Audit)],
    roles: Annotated[Roles, Provided(Roles)],
) -> Response:
    """Show the overview."""
    chosen = visit.request.query_params.get("range", "")
    chosen = chosen if chosen in _RANGES else "month"
    by, days = _RANGES[chosen]
    since = visit.clock.now() - timedelta(days=days) + timedelta(minutes=1)
    series = await statistics.read(by, zone=zone_of_reader(), since=since)
    rows = [_row(visit, by, period) for period in series.periods]
    sees_service = roles.allows(caller, Permission.SERVICE_READ)
    state = await watch.state()
    page = OverviewPage(
        range=chosen,
        state=state,
        needs=watch.needs(state) if sees_service else [],
        version=state.version if sees_service else "",
        rows=rows,
        drawing=bars(_bars(rows), number),
        finding=_finding(rows),
        actives=[period.sample.active for period in series.periods if period.sample],
        reasons=_reasons(series.periods),
        devices=_browsers(series.browsers),
        latest=await _latest(visit, audit, roles),
    )
    return await visit.show(page)


async def _latest(visit: Visit, audit: Audit, roles: Roles) -> Sequence[Day]:
    """Return the latest changes, for whoever may read the audit log."""
    if visit.user is None or not roles.allows(visit.user, Permission.AUDIT_READ):
        return []
    found = await audit.list_events(AuditFilter(), before=None, limit=_LATEST)
    link, only = link_of(visit, roles), lines_of(visit, {})
    return by_day(entry_of_event(one, link, only) for one in found)


def _row(visit: Visit, by: By, period: Period) -> Row:
    day = local_date(period.since)
    words = date_in_words(day) if by is By.DAY else hour_in_words(period.since)
    return Row(
        words=words,
        href=visit.link("/console/logins", since=day.isoformat(), until=day.isoformat()),
        good=period.lines_of(Outcome.SUCCEEDED),
        bad=period.lines_of(Outcome.REFUSED),
        registered=period.registrations,
    )


def _bars(rows: Sequence[Row]) -> list[Bar]:
    every = max(1, len(rows) // 3)
    return [
        Bar(
            title=_("%(when)s: %(good)s good, %(bad)s refused")
            % {"when": row.words, "good": number(row.good), "bad": number(row.bad)},
            good=row.good,
            bad=row.bad,
            href=row.href,
            tick=row.words if at % every == every // 2 else "",
        )
        for at, row in enumerate(rows)
    ]


def _finding(rows: Sequence[Row]) -> str:
    """Return the one sentence that the chart shows."""
    bad = sum(row.bad for row in rows)
    if not any(row.good or row.bad for row in rows):
        return _("Nobody has signed in yet.")
    if not bad:
        return _("No sign-in was refused.")
    worst = max(rows, key=lambda row: row.bad)
    if worst.bad * len(rows) > 3 * bad and worst.bad > 3:
        return _("Most refusals were on %(when)s: %(bad)s of %(all)s.") % {
            "when": worst.words,
            "bad": number(worst.bad),
            "all": number(bad),
        }
    whole = bad + sum(row.good for row in rows)
    return ngettext(
        "%(num)s of %(all)s attempts was refused.", "%(num)s of %(all)s attempts were refused.", bad
    ) % {"num": number(bad), "all": number(whole)}


def _reasons(periods: Sequence[Period]) -> list[Share]:
    refused: Counter[str] = Counter()
    for period in periods:
        for (outcome, reason), amount in period.reasons.items():
            if outcome == Outcome.REFUSED:
                refused[reason_title(Reason(reason))] += amount
    return _shares(refused)


def _browsers(amounts: Mapping[str, int]) -> list[Share]:
    named = {_("Other browsers") if name == OTHER else name: used for name, used in amounts.items()}
    return _shares(Counter(named))


def _shares(amounts: Counter[str]) -> list[Share]:
    whole = amounts.total()
    return [
        Share(words=words, amount=amount, drawing=share(amount, whole))
        for words, amount in amounts.most_common(_MOST_REASONS)
    ]
