"""`keyfob doctor`: checks the installation, and says what to do about problems."""

import asyncio
import stat
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from keyfob import boot
from keyfob.administration.unproven import Unproven
from keyfob.audit.service import Audit
from keyfob.cli.audit import KnownEvent, judge_chain
from keyfob.cli.context import read_settings, refusals
from keyfob.cli.metadata import ask_for_metadata
from keyfob.cli.output import AsJson, show_rows
from keyfob.cli.secret_keys import tell_secret_keys
from keyfob.core.encryption import CannotDecrypt
from keyfob.core.feed import count_listeners
from keyfob.core.locales import Locale
from keyfob.core.problems import DatabaseUnavailable, Problem, in_one_line
from keyfob.core.telemetry import configure_logging
from keyfob.health.service import Health
from keyfob.mail.delivery import Delivery
from keyfob.mail.room import what_mail_exposes
from keyfob.mail.smtp import SmtpCarrier
from keyfob.mail.writing import WrongTemplate
from keyfob.migrations.head import HEAD
from keyfob.outbox.errors import TryAgain
from keyfob.passwords.stored import StoredForms
from keyfob.settings import Settings
from keyfob.settings.urls import is_loopback
from keyfob.tokens.errors import NoSigningKey
from keyfob.tokens.keyring import Keyring
from keyfob.wiring import Wiring

Finding = dict[str, Any]


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
    show_rows(findings, as_json=as_json)
    if any(not finding["well"] for finding in findings):
        raise typer.Exit(1)


def _finding(part: str, well: bool, says: str) -> Finding:
    return {"part": part, "well": well, "says": says}


def _check_settings(settings: Settings) -> Iterator[Finding]:
    yield _finding("settings", True, "; ".join(["readable", *settings.remarks]))
    yield _finding("limits", settings.limits == "on", f"KEYFOB_LIMITS is {settings.limits}")
    yield _finding("bcrypt cost", settings.bcrypt_cost >= 10, f"is {settings.bcrypt_cost}")
    yield _check_issuer(settings)
    key = settings.data_dir / "secret-key"
    if settings.secret_key is None and key.exists():
        private = not key.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        yield _finding("secret key", private, f"in {key}; back it up" if private else "is readable")


def _check_issuer(settings: Settings) -> Finding:
    """Check `iss`, which services that verify tokens compare with the address that they know."""
    unset = settings.issuer is None
    well = not (unset and _is_for_others(settings))
    says = f"is {settings.issuer_url}"
    return _finding("issuer", well, says if well else f"{says}; set KEYFOB_ISSUER, others call it")


async def _check_metadata(settings: Settings) -> list[Finding]:
    if settings.issuer is None:
        return []
    return [_finding("metadata", *await ask_for_metadata(settings.issuer))]


def _is_for_others(settings: Settings) -> bool:
    """Tell whether it is served beyond this machine: by its address, or through a proxy."""
    return not all(map(is_loopback, settings.hosts)) or bool(settings.trusted_proxies)


async def _check_running(settings: Settings, known: KnownEvent | None) -> list[Finding]:
    try:
        await boot.see_that_sessions_are_kept(settings)
        await boot.see_that_both_urls_agree(settings)
        current = await boot.schema_is_current(settings)
    except DatabaseUnavailable as away:
        return [_finding("database", False, f"does not answer: {away.__cause__!r}")]
    findings = [
        _finding("database", True, "answers"),
        _finding("schema", current, f"at {HEAD}" if current else "behind; run `keyfob migrate`"),
    ]
    if not current:
        return findings
    async with boot.services_of(settings) as wiring:
        delivery: Delivery = wiring.services[Delivery]
        return [
            *findings,
            *await _try_out(wiring),
            await _check_workers(wiring, settings),
            *await _check_keys(wiring, settings),
            _finding("secret keys", *await tell_secret_keys(wiring, len(settings.secret_keys))),
            await _check_audit(wiring, known),
            *await _check_unproven(wiring, settings),
            await _check_hashes(wiring),
            _check_templates(delivery),
            await _check_mail_server(delivery, settings),
        ]


async def _try_out(wiring: Wiring) -> list[Finding]:
    """Try everything that requests do."""
    health: Health = wiring.services[Health]
    tried = await health.ask()
    parts = {"writes": "database writes", "limit_store": "limit store"}
    return [
        _finding(name, tried[part] is None, _why(tried[part]))
        for part, name in parts.items()
        if part in tried
    ]


def _why(fault: object) -> str:
    if fault is None:
        return "can be done"
    return in_one_line(fault) if isinstance(fault, Problem) else repr(fault)


async def _check_workers(wiring: Wiring, settings: Settings) -> Finding:
    """Check for other instances: without KEYFOB_ISSUER, each would refuse the others' tokens."""
    count = await count_listeners(wiring.db)
    well = settings.issuer is not None or count <= settings.workers
    none = "none listens to this database: the service is stopped, or is behind a pooler"
    says = f"{count} listen to this database" if count else none
    advice = "; set KEYFOB_ISSUER, the same for all instances"
    return _finding("workers", well, says if well else says + advice)


async def _check_keys(wiring: Wiring, settings: Settings) -> list[Finding]:
    try:
        await wiring.services[Keyring].load()
        kid = wiring.services[Keyring].active().kid
    except CannotDecrypt as fault:
        return [_finding("signing keys", False, f"cannot be opened: {fault}")]
    except NoSigningKey:
        advice = "none signs; run `keyfob keys rotate --compromised`"
        return [_finding("signing keys", False, advice)]
    return [
        _finding("signing keys", True, f"{kid} signs"),
        _check_algorithm(wiring.services[Keyring], settings.signing_algorithm),
    ]


def _check_algorithm(keyring: Keyring, wanted: str) -> Finding:
    """Check the algorithm: running workers use another one only after a restart."""
    active, newest = keyring.active(), keyring.newest()
    signs_from = newest.signs_from.isoformat(timespec="seconds")
    says = f"{active.algorithm} signs"
    if newest.algorithm == wanted:
        if newest.algorithm != active.algorithm:
            says += f", {newest.algorithm} from {signs_from}"
        return _finding("signing algorithm", True, says)
    says += f", KEYFOB_SIGNING_ALGORITHM is {wanted}: "
    ways = "restart every instance with it, or run `keyfob keys rotate`"
    if newest is not active:
        says += f"it waits until the next key signs, at {signs_from}; "
        ways += ", which does not wait"
    return _finding("signing algorithm", False, says + ways)


async def _check_audit(wiring: Wiring, known: KnownEvent | None) -> Finding:
    return _finding("audit chain", *await judge_chain(wiring.services[Audit], known))


async def _check_unproven(wiring: Wiring, settings: Settings) -> list[Finding]:
    """Report rights that an older release gave to accounts whose address nobody has proven."""
    unproven: Unproven = wiring.services[Unproven]
    amount, named = await unproven.above_user()
    says = "none above user" if amount == 0 else f"{_accounts(amount, named)} above user: "
    if amount:
        says += "have the address proven, or vouch with `keyfob users mark-verified`"
    findings = [_finding("unproven roles", amount == 0, says)]
    amount, named = await unproven.with_factors()
    says = "none with factors"
    if amount:
        # No problem: they work, and nothing needs to be done.
        says = f"{_accounts(amount, named)} with factors, which the first proof by recovery ends"
    findings.append(_finding("unproven factors", True, says))
    if settings.verify_email == "required":
        amount, named = await unproven.signed_in()
        says = "none signed in"
        if amount:
            # No problem: it is what the setting asks for, and happens by itself.
            says = f"{_accounts(amount, named)} signed in, and signed out at the next start"
        findings.append(_finding("unverified sessions", True, says))
    return findings


def _accounts(amount: int, named: Sequence[str]) -> str:
    more = ", ...: `keyfob users list --never-proven`" if amount > len(named) else ""
    return f"{amount} unproven ({', '.join(named)}{more})"


async def _check_hashes(wiring: Wiring) -> Finding:
    """Check for hashes that are never computed: their owners can sign in only after a recovery."""
    amount, named = await wiring.services[StoredForms].list_unusable()
    if not amount:
        return _finding("password hashes", True, "can all be checked")
    more = ", ..." if amount > len(named) else ""
    says = f"of no known form, or far dearer than KEYFOB_BCRYPT_COST asks for: {amount} "
    says += f"({', '.join(named)}{more}); invite or recover these accounts"
    return _finding("password hashes", False, says)


def _check_templates(delivery: Delivery) -> Finding:
    try:
        delivery.writer.check()
    except WrongTemplate as fault:
        return _finding("mail templates", False, f"{fault}; ours is used instead")
    return _finding("mail templates", True, f"in {', '.join(Locale)}")


async def _check_mail_server(delivery: Delivery, settings: Settings) -> Finding:
    try:
        await delivery.greet()
    except TryAgain as fault:
        return _finding("mail server", False, f"no mail leaves: {fault.reason}")
    if exposed := what_mail_exposes(settings):
        return _finding("mail server", False, exposed)
    if not isinstance(delivery.carrier, SmtpCarrier):
        return _finding("mail server", True, "KEYFOB_SMTP_URL is not set: mails are only kept")
    # A relay in a private network may do without TLS, so this is reported, but not as a problem.
    private = delivery.carrier.server.is_private
    says = "takes our sender" + ("" if private else ", without encryption")
    return _finding("mail server", True, says)
