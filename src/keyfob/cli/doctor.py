"""`keyfob doctor`: checks the installation, and says what to do about problems."""

import asyncio
import stat
from collections.abc import Iterator
from typing import Annotated

import typer

from keyfob import boot
from keyfob.audit.service import Audit
from keyfob.cli.audit import KnownEvent, judge_chain
from keyfob.cli.context import read_settings, refusals
from keyfob.cli.metadata import ask_for_metadata
from keyfob.cli.output import AsJson, show_rows
from keyfob.cli.secret_keys import tell_secret_keys
from keyfob.clients.resources import Resources
from keyfob.core.database import Database
from keyfob.core.problems import DatabaseUnavailable
from keyfob.core.telemetry import configure_logging
from keyfob.health.checks import Checks, Finding, check_settings
from keyfob.migrations.head import HEAD
from keyfob.passwords.stored import StoredForms
from keyfob.settings import Settings
from keyfob.wiring import Wiring


def doctor(
    as_json: AsJson = False,
    audit_at_least: Annotated[
        str | None,
        typer.Option(
            metavar="POSITION[:MAC]",
            help="An audit event that a copy elsewhere contains, such as the log.",
        ),
    ] = None,
) -> None:
    """Check settings, database, schema, keys, audit chain and mail; exit 1 if there is a problem.

    Examples:

        keyfob doctor

        keyfob doctor --json

        keyfob doctor --audit-at-least 4711
    """
    known = KnownEvent.parse(audit_at_least)
    settings = read_settings()
    configure_logging("error", settings.log_format)
    with refusals(), boot.complete(settings) as complete:
        findings = [
            *_check_settings(settings),
            *asyncio.run(_check_metadata(settings)),
            *asyncio.run(_check_running(complete, known)),
        ]
    show_rows([one._asdict() for one in findings], as_json=as_json)
    if any(not one.well for one in findings):
        raise typer.Exit(1)


def _check_settings(settings: Settings) -> Iterator[Finding]:
    yield from check_settings(settings)
    key = settings.data_dir / "secret-key"
    if settings.secret_key is None and key.exists():
        private = not key.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        yield Finding("secret key", private, f"in {key}; back it up" if private else "is readable")


async def _check_metadata(settings: Settings) -> list[Finding]:
    if settings.issuer is None:
        return []
    return [Finding("metadata", *await ask_for_metadata(settings.issuer))]


async def _check_running(settings: Settings, known: KnownEvent | None) -> list[Finding]:
    try:
        await boot.see_that_sessions_are_kept(settings)
        await boot.see_that_both_urls_agree(settings)
        current = await boot.schema_is_current(settings)
    except DatabaseUnavailable as away:
        return [Finding("database", False, f"does not answer: {away.__cause__!r}")]
    findings = [
        Finding("database", True, "answers"),
        Finding("schema", current, f"at {HEAD}" if current else "behind; run `keyfob migrate`"),
    ]
    if not current:
        return findings
    async with boot.services_of(settings) as wiring:
        checks: Checks = wiring.services[Checks]
        return [
            *findings,
            *[finding async for finding in checks.run()],
            Finding("secret keys", *await tell_secret_keys(wiring, len(settings.secret_keys))),
            await _check_audit(wiring, known),
            await _check_hashes(wiring),
            *await _check_resources(wiring),
        ]


async def _check_audit(wiring: Wiring, known: KnownEvent | None) -> Finding:
    return Finding("audit chain", *await judge_chain(wiring.services[Audit], known))


async def _check_resources(wiring: Wiring) -> list[Finding]:
    """Look for a resource that is no more found: its identifier has become `KEYFOB_AUDIENCE`."""
    resources = wiring.services[Resources]
    found = await resources.list_all(wiring.services[Database])
    named = [one.identifier for one in found if resources.names_own(one.identifier)]
    says = f"{', '.join(named)} is KEYFOB_AUDIENCE or KEYFOB_ISSUER; remove it: no token is for it"
    return [Finding("resources", False, says)] if named else []


async def _check_hashes(wiring: Wiring) -> Finding:
    """Check for hashes that are never computed: their owners can sign in only after a recovery."""
    amount, named = await wiring.services[StoredForms].list_unusable()
    if not amount:
        return Finding("password hashes", True, "can all be checked")
    more = ", ..." if amount > len(named) else ""
    says = f"of no known form, or far dearer than KEYFOB_BCRYPT_COST asks for: {amount} "
    says += f"({', '.join(named)}{more}); invite or recover these accounts"
    return Finding("password hashes", False, says)
