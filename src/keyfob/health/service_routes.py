"""The state of the service and its upkeep, for administrators."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query
from pydantic import BaseModel, Field

from keyfob.administration.authority import Actor
from keyfob.administration.upkeep import Upkeep
from keyfob.authority.models import Permission, Subject, User
from keyfob.authority.requiring import require
from keyfob.core.http import Provided, may_refuse, router
from keyfob.core.problems import Unavailable
from keyfob.devices.requests import RequestSource
from keyfob.health.checks import Checks
from keyfob.health.state import Need, State, Watch
from keyfob.limits.requests import counted_for, limited
from keyfob.outbox.errors import JobNotFound
from keyfob.outbox.service import Outbox
from keyfob.settings import Settings
from keyfob.settings.shown import shown_settings
from keyfob.tokens.keyring import Keyring

routes = router("Administration", prefix="/admin")

_LIMITED = [Depends(limited("admin", by="caller"))]

Reader = Annotated[Subject, require(Permission.SERVICE_READ, programs=True)]
Writer = Annotated[Subject, require(Permission.SERVICE_WRITE, programs=True)]
JobId = Annotated[UUID, Path(alias="id")]
UpkeepService = Annotated[Upkeep, Provided(Upkeep)]


class OutboxCounts(BaseModel):
    """Jobs of the outbox: those that wait, and dead letters."""

    waiting: int
    dead: int


class ChainOut(BaseModel):
    """The chain of the audit log, as this worker last verified it."""

    intact_to: Annotated[int, Field(description="All events up to this position verify")]
    broken_at: Annotated[int | None, Field(description="The first event that does not")]
    begun_anew_at: int | None
    checked_at: Annotated[datetime | None, Field(description="null: not yet")]
    is_checking: bool


class NeedOut(BaseModel):
    """Something to look at, and how many there are (of a broken chain: its position)."""

    need: Need
    amount: int


class ServiceOut(BaseModel):
    """The state of the service."""

    at: datetime
    version: str
    schema_revision: str | None
    schema_state: str
    database: Annotated[str, Field(description="The version of PostgreSQL")]
    workers: Annotated[int, Field(description="Those that listen to the database")]
    feed_live: bool
    outbox: OutboxCounts
    audit_chain: ChainOut
    live_sessions: int
    needs: list[NeedOut]

    @classmethod
    def of(cls, watch: Watch, state: State) -> "ServiceOut":
        return cls(
            at=state.at,
            version=state.version,
            schema_revision=state.schema.revision,
            schema_state=state.schema.state,
            database=state.database,
            workers=state.workers,
            feed_live=state.is_feed_live,
            outbox=OutboxCounts(**state.outbox._asdict()),
            audit_chain=ChainOut(**state.chain._asdict()),
            live_sessions=state.present.live_sessions,
            needs=[NeedOut(**one._asdict()) for one in watch.needs(state)],
        )


class FindingOut(BaseModel):
    """A part of the installation, whether it is well, and a sentence about it."""

    part: str
    well: bool
    says: str


class SettingOut(BaseModel):
    """A setting; `value` and `default` of a secret are never told."""

    name: str
    variable: str
    value: str | None
    default: str | None
    is_secret: bool
    is_set: Annotated[bool, Field(description="Whether it is not the default")]


class SigningKeyOut(BaseModel):
    """A signing key that was ever made."""

    kid: str
    algorithm: str
    signs: Annotated[str, Field(description="access_tokens, or id_tokens")]
    state: Annotated[str, Field(description="next, active, retiring, retired, or dropped")]
    created_at: datetime
    signs_from: datetime
    retires_at: datetime | None
    dropped_at: datetime | None


class JobOut(BaseModel):
    """A job of the outbox."""

    id: UUID
    what: Annotated[str, Field(description="The template of a mail, or the kind of the job")]
    to: Annotated[str | None, Field(description="The address, masked")]
    state: Annotated[str, Field(description="waiting, or failed: a dead letter")]
    attempts: int
    created_at: datetime
    due_at: Annotated[datetime | None, Field(description="Of a waiting one")]
    failed_at: datetime | None
    expires_at: datetime | None
    last_error: str | None


class MailTestOut(BaseModel):
    """The outcome of a test of the mail server."""

    well: bool
    says: str


@routes.get("/service", dependencies=_LIMITED, responses=may_refuse(Unavailable))
async def read_service(_: Reader, watch: Annotated[Watch, Provided(Watch)]) -> ServiceOut:
    """Return the state of the service, and what needs attention."""
    return ServiceOut.of(watch, await watch.state())


@routes.get("/service/checks", dependencies=_LIMITED)
async def check_service(
    reader: Reader, checks: Annotated[Checks, Provided(Checks)]
) -> list[FindingOut]:
    """Check the installation as `keyfob doctor` does, as far as a running service can.

    Six times a minute at most: it also connects to the mail server.
    """
    findings = await checks.run_for(counted_for(reader))
    return [FindingOut(**one._asdict()) for one in findings]


@routes.get("/service/settings", dependencies=_LIMITED)
async def list_settings(
    _: Reader, settings: Annotated[Settings, Provided(Settings)]
) -> list[SettingOut]:
    """List the settings with their variables; secrets are left out."""
    return [SettingOut(**one._asdict()) for one in shown_settings(settings)]


@routes.get("/service/signing-keys", dependencies=_LIMITED)
async def list_signing_keys(
    _: Reader, keyring: Annotated[Keyring, Provided(Keyring)]
) -> list[SigningKeyOut]:
    """List the signing keys that were ever made, with their state in the rotation."""
    return [SigningKeyOut(**key) for key in await keyring.list_all()]


@routes.get("/outbox", dependencies=_LIMITED)
async def list_outbox(
    _: Reader,
    outbox: Annotated[Outbox, Provided(Outbox)],
    failed: Annotated[bool, Query(description="Dead letters only")] = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[JobOut]:
    """List waiting jobs and dead letters, the oldest first."""
    jobs = await outbox.list_shown(failed_only=failed, limit=limit)
    return [JobOut(**job._asdict()) for job in jobs]


@routes.post(
    "/outbox/{id}/retry",
    status_code=204,
    dependencies=_LIMITED,
    responses=may_refuse(JobNotFound),
)
async def retry_job(
    job_id: JobId, caller: Writer, source: RequestSource, upkeep: UpkeepService
) -> None:
    """Make a dead letter due again; one whose link has expired stays dead."""
    await upkeep.retry(Actor(caller, source), job_id)


@routes.delete(
    "/outbox/{id}", status_code=204, dependencies=_LIMITED, responses=may_refuse(JobNotFound)
)
async def drop_job(
    job_id: JobId, caller: Writer, source: RequestSource, upkeep: UpkeepService
) -> None:
    """Delete a dead letter."""
    await upkeep.drop(Actor(caller, source), job_id)


@routes.post("/mail-test", dependencies=_LIMITED)
async def test_mail(
    caller: Annotated[User, require(Permission.SERVICE_WRITE)],
    source: RequestSource,
    upkeep: UpkeepService,
) -> MailTestOut:
    """Try the mail server, and send yourself a mail if it answers."""
    return MailTestOut(**(await upkeep.test_mail(Actor(caller, source)))._asdict())
