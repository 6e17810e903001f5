"""The report of a change to many users: a page that is written while the change goes on.

First it says how far the change is, in steps of which the stylesheet shows the last, and in the end
it contains the report. So it needs no script, and whoever leaves it ends the change.
"""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple
from urllib.parse import parse_qsl, quote
from uuid import UUID

from markupsafe import Markup
from starlette.responses import Response

from keyfob.administration.bulk import Bulk, Run
from keyfob.administration.exports import cell_of
from keyfob.administration.models import Action, Ending, Line, Person
from keyfob.core.locales import _
from keyfob.web.console.asked import PATH, Asked
from keyfob.web.parts.refusals import refusal
from keyfob.web.visits import Visit

# The ids of changes that one form undoes: a body contains 64 KiB.
MOST_UNDONE = 1500
_MOST_SHOWN = 200
# Screen readers read each of them.
_STEPS = 20
_GAP = Markup("<!-- gap -->")


@dataclass(frozen=True, kw_only=True)
class RunningPage:
    """The page around the steps and the report, which come into its two gaps."""

    template: ClassVar[str] = "console/running.html"

    amount: int
    gap: Markup = _GAP


@dataclass(frozen=True, kw_only=True)
class Step:
    """A part of the page: so many are decided."""

    template: ClassVar[str] = "console/step.html"

    at: int
    amount: int


class Outcome(NamedTuple):
    """The outcome for one user; without an id or a `person` there is none with that id."""

    user_id: UUID | None
    person: Person | None
    words: str
    is_done: bool


class Portion(NamedTuple):
    """The ids of the changes from the `first` to the `last` that one form undoes, with spaces."""

    first: int
    last: int
    events: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """The last part of the page. Some were not reached (`ending.left`), for the reason `why`.

    `table` is the report as a link to a table (CSV) that the browser keeps. `undo` contains the ids
    of the changes that can be undone, in portions of one form each. `removes`: those that are done
    have no page any more.
    """

    template: ClassVar[str] = "console/report.html"

    root: str
    back: str
    state: str
    outcomes: Sequence[Outcome]
    ending: Ending
    why: str
    table: str
    undo: Sequence[Portion]
    removes: bool

    @property
    def path(self) -> str:
        return f"{self.root}{PATH}"

    @property
    def shown(self) -> Sequence[Outcome]:
        """The first outcomes, the refused ones before the others."""
        return sorted(self.outcomes, key=lambda one: one.is_done)[:_MOST_SHOWN]

    @property
    def hidden(self) -> int:
        return max(0, len(self.outcomes) - _MOST_SHOWN)


async def report(visit: Visit, bulk: Bulk, run: Run) -> Response:
    """Answer by the page of a change that begins with it.

    Raises:
        InvalidInput: the `state` of the form is no list of users; nothing is changed.
    """
    try:
        list_of(visit)  # refused now, while nothing is changed
        # Now, for who is removed has no name in the end.
        people = await bulk.list_people([one.user_id for one in run.items if one.user_id])
        frame = await visit.render(RunningPage(amount=len(run.items)))
    except BaseException:
        run.close()
        raise
    lines = _written(visit, run, people, frame.split(_GAP))
    return visit.write(lines, close=run.close)


async def _written(
    visit: Visit, run: Run, people: Mapping[UUID, Person], frame: Sequence[str]
) -> AsyncIterator[bytes]:
    """Yield the page: what is around the gaps, the steps, and the report."""
    before, between, after = frame
    amount = len(run.items)
    each = max(1, amount // _STEPS)
    lines: list[Line] = []
    yield before.encode()
    async for line in run.lines():
        if isinstance(line, Line):
            lines.append(line)
            if len(lines) % each == 0:
                yield await _step(visit, len(lines), amount)
            continue
        yield between.encode()
        with visit.speaking():
            # In a thread: it takes a tenth of a second for ten thousand lines.
            page = await asyncio.to_thread(_report, visit, run, lines, people, line)
            html = await visit.render(page)
        yield html.encode() + after.encode()


async def _step(visit: Visit, at: int, amount: int) -> bytes:
    with visit.speaking():
        return (await visit.render(Step(at=at, amount=amount))).encode()


def _report(
    visit: Visit,
    run: Run,
    lines: Sequence[Line],
    people: Mapping[UUID, Person],
    ending: Ending,
) -> Report:
    outcomes = [_outcome(line, people) for line in lines]
    events = [str(line.event_id) for line in lines if line.event_id]
    return Report(
        root=visit.engine.root,
        back=list_of(visit),
        state=visit.fields.get("state"),
        outcomes=outcomes,
        ending=ending,
        why=refusal(ending.why.code) if ending.why else "",
        table=_table(outcomes),
        undo=[
            Portion(start + 1, start + len(part), " ".join(part))
            for start in range(0, len(events), MOST_UNDONE)
            for part in [events[start : start + MOST_UNDONE]]
        ],
        removes=run.name == Action.DELETE,
    )


def _outcome(line: Line, people: Mapping[UUID, Person]) -> Outcome:
    words = refusal(line.refusal.code) if line.refusal else _("Done")
    person = people.get(line.user_id) if line.user_id else None
    return Outcome(line.user_id, person, words, line.refusal is None)


def _table(outcomes: Sequence[Outcome]) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\r\n")
    rows.writerow(["id", "email", "name", "outcome", "reason"])
    for one in outcomes:
        name, email = (one.person.name, one.person.email) if one.person else (None, None)
        outcome, reason = ("done", "") if one.is_done else ("refused", one.words)
        rows.writerow(map(cell_of, [one.user_id, email, name, outcome, reason]))
    return f"data:text/csv;charset=utf-8,{quote(text.getvalue())}"


def list_of(visit: Visit) -> str:
    """Return the link to the list as it was, by the `state` of the form."""
    return Asked.read(dict(parse_qsl(visit.fields.get("state")))).link_here(visit.engine.root)
