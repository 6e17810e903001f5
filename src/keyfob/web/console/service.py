"""The state of the service: signing keys, outbox, settings, the audit chain, and a check-up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar
from uuid import UUID

from fastapi import Depends, Path
from starlette.responses import Response

from keyfob.administration.authority import Actor
from keyfob.administration.upkeep import Upkeep
from keyfob.authority.models import Permission, User
from keyfob.authority.requiring import require
from keyfob.core.http import Provided
from keyfob.core.locales import N_
from keyfob.health.checks import Checks, Finding
from keyfob.health.state import State, Watch
from keyfob.limits.requests import limited
from keyfob.outbox.errors import JobNotFound
from keyfob.outbox.models import ShownJob
from keyfob.outbox.service import Outbox
from keyfob.settings import Settings
from keyfob.settings.shown import ShownSetting, shown_settings
from keyfob.tokens.keyring import Keyring
from keyfob.web.visits import AVisit, Visit, pages

routes = pages()

Reader = Annotated[User, require(Permission.SERVICE_READ)]
Writer = Annotated[User, require(Permission.SERVICE_WRITE)]
TheUpkeep = Annotated[Upkeep, Provided(Upkeep)]
JobId = Annotated[UUID, Path(alias="id")]
_LIMITED = [Depends(limited("admin", by="caller"))]
_MOST_JOBS = 50

_DONE: Mapping[str, str] = {
    "retried": N_("The mail is tried again."),
    "dropped": N_("The mail is dropped."),
    "mail": N_("The mail server took a test mail to you."),
}
_NOT_DONE: Mapping[str, str] = {
    "gone": N_("It was gone already."),
    "no_mail": N_("The mail server did not take the test mail; the log says why."),
}


@dataclass(frozen=True, kw_only=True)
class ServicePage:
    """The state of the service; `findings` are those of the check-up, if it was asked for."""

    template: ClassVar[str] = "console/service.html"

    state: State
    keys: Sequence[Mapping[str, Any]]
    jobs: Sequence[ShownJob]
    settings: Sequence[ShownSetting]
    findings: Sequence[Finding]

    @property
    def changed(self) -> list[ShownSetting]:
        """The settings that are not the default."""
        return [setting for setting in self.settings if setting.is_set]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Reads what the page shows."""

    watch: Watch
    keyring: Keyring
    outbox: Outbox
    settings: Settings

    async def show(self, visit: Visit, findings: Sequence[Finding] = ()) -> Response:
        """Return the page, with the findings of a check-up."""
        page = ServicePage(
            state=await self.watch.state(),
            keys=[key for key in await self.keyring.list_all() if key["dropped_at"] is None],
            jobs=await self.outbox.list_shown(failed_only=False, limit=_MOST_JOBS),
            settings=shown_settings(self.settings),
            findings=findings,
        )
        return await visit.show(page, toast=visit.done(_DONE), not_done=visit.done(_NOT_DONE))


TheParts = Annotated[Parts, Provided(Parts)]


@routes.get("/console/service", dependencies=_LIMITED)
async def show(visit: AVisit, caller: Reader, parts: TheParts) -> Response:
    """Show the state."""
    return await parts.show(visit)


@routes.post("/console/service/checks", dependencies=_LIMITED)
async def check(
    visit: AVisit, caller: Reader, parts: TheParts, checks: Annotated[Checks, Provided(Checks)]
) -> Response:
    """Show also what `keyfob doctor` would say. It is no GET: the checks ask other servers."""
    return await parts.show(visit, await checks.run_for(caller.user_id))


@routes.post("/console/service/outbox/{id}/retry", dependencies=_LIMITED)
async def retry(job_id: JobId, visit: AVisit, caller: Writer, upkeep: TheUpkeep) -> Response:
    """Make a dead letter due again."""
    try:
        await upkeep.retry(Actor(caller, visit.source), job_id)
    except JobNotFound:
        return visit.go("/console/service", done="gone")
    return visit.go("/console/service", done="retried")


@routes.post("/console/service/outbox/{id}/drop", dependencies=_LIMITED)
async def drop(job_id: JobId, visit: AVisit, caller: Writer, upkeep: TheUpkeep) -> Response:
    """Delete a dead letter."""
    try:
        await upkeep.drop(Actor(caller, visit.source), job_id)
    except JobNotFound:
        return visit.go("/console/service", done="gone")
    return visit.go("/console/service", done="dropped")


@routes.post("/console/service/mail-test", dependencies=_LIMITED)
async def test_mail(visit: AVisit, caller: Writer, upkeep: TheUpkeep) -> Response:
    """Try the mail server, and send oneself a mail if it answers."""
    tried = await upkeep.test_mail(Actor(caller, visit.source))
    return visit.go("/console/service", done="mail" if tried.well else "no_mail")
