"""The checks of a running installation, with advice about problems.

`keyfob doctor` and the console show it.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from keyfob.administration.unproven import Unproven
from keyfob.core.database import Database
from keyfob.core.encryption import CannotDecrypt
from keyfob.core.feed import count_listeners
from keyfob.core.locales import Locale
from keyfob.core.problems import Problem, in_one_line
from keyfob.health.service import Health
from keyfob.mail.delivery import Delivery
from keyfob.mail.room import what_mail_exposes
from keyfob.mail.smtp import SmtpCarrier
from keyfob.mail.writing import WrongTemplate
from keyfob.outbox.errors import TryAgain
from keyfob.settings import Settings
from keyfob.settings.urls import is_loopback
from keyfob.tokens.errors import NoSigningKey
from keyfob.tokens.keyring import Keyring


class Finding(NamedTuple):
    """A part of the installation, whether it is well, and a sentence about it."""

    part: str
    well: bool
    says: str


def check_settings(settings: Settings) -> Iterator[Finding]:
    """Yield what the settings themselves tell."""
    yield Finding("settings", True, "; ".join(["readable", *settings.remarks]))
    yield Finding("limits", settings.limits == "on", f"KEYFOB_LIMITS is {settings.limits}")
    yield Finding("bcrypt cost", settings.bcrypt_cost >= 10, f"is {settings.bcrypt_cost}")
    yield _check_issuer(settings)
    if settings.pages:
        yield _check_pages(settings)


def _check_issuer(settings: Settings) -> Finding:
    """Check `iss`, which services that verify tokens compare with the address that they know."""
    unset = settings.issuer is None
    well = not (unset and _is_for_others(settings))
    says = f"is {settings.issuer_url}"
    return Finding("issuer", well, says if well else f"{says}; set KEYFOB_ISSUER, others call it")


def _check_pages(settings: Settings) -> Finding:
    """Check that the cookie of pages is safe; only the operator knows what else is on the host."""
    parts = urlsplit(settings.public_base)
    if parts.scheme == "https" or is_loopback(parts.hostname or ""):
        says = f"are on {parts.netloc}; any other app on that host gets their cookie"
        return Finding("pages", True, says)
    says = f"sign nobody in at {settings.public_base}: KEYFOB_PUBLIC_URL should be https"
    return Finding("pages", False, says)


def _is_for_others(settings: Settings) -> bool:
    """Tell whether it is served beyond this machine: by its address, or through a proxy."""
    return not all(map(is_loopback, settings.hosts)) or bool(settings.trusted_proxies)


@dataclass(frozen=True, kw_only=True)
class Checks:
    """Checks what a running service can find out by itself, on a schema of this release."""

    settings: Settings
    db: Database
    health: Health
    keyring: Keyring
    unproven: Unproven
    delivery: Delivery

    async def run(self) -> AsyncIterator[Finding]:
        """Yield the findings.

        Raises:
            DatabaseUnavailable: the database does not answer.
        """
        for finding in await self._try_out():
            yield finding
        yield await self._check_workers()
        for finding in await self._check_keys():
            yield finding
        for finding in await self._check_unproven():
            yield finding
        yield self._check_templates()
        yield await self._check_mail_server()

    async def _try_out(self) -> list[Finding]:
        """Try everything that requests do."""
        tried = await self.health.ask()
        parts = {"writes": "database writes", "limit_store": "limit store"}
        return [
            Finding(name, tried[part] is None, _why(tried[part]))
            for part, name in parts.items()
            if part in tried
        ]

    async def _check_workers(self) -> Finding:
        """Check for other instances: without KEYFOB_ISSUER, each refuses the others' tokens."""
        count = await count_listeners(self.db)
        well = self.settings.issuer is not None or count <= self.settings.workers
        none = "none listens to this database: the service is stopped, or is behind a pooler"
        says = f"{count} listen to this database" if count else none
        advice = "; set KEYFOB_ISSUER, the same for all instances"
        return Finding("workers", well, says if well else says + advice)

    async def _check_keys(self) -> list[Finding]:
        try:
            await self.keyring.load()
            kid = self.keyring.active().kid
        except CannotDecrypt as fault:
            return [Finding("signing keys", False, f"cannot be opened: {fault}")]
        except NoSigningKey:
            advice = "none signs; run `keyfob keys rotate --compromised`"
            return [Finding("signing keys", False, advice)]
        return [Finding("signing keys", True, f"{kid} signs"), self._check_algorithm()]

    def _check_algorithm(self) -> Finding:
        """Check the algorithm: running workers use another one only after a restart."""
        wanted = self.settings.signing_algorithm
        active, newest = self.keyring.active(), self.keyring.newest()
        signs_from = newest.signs_from.isoformat(timespec="seconds")
        says = f"{active.algorithm} signs"
        if newest.algorithm == wanted:
            if newest.algorithm != active.algorithm:
                says += f", {newest.algorithm} from {signs_from}"
            return Finding("signing algorithm", True, says)
        says += f", KEYFOB_SIGNING_ALGORITHM is {wanted}: "
        ways = "restart every instance with it, or run `keyfob keys rotate`"
        if newest is not active:
            says += f"it waits until the next key signs, at {signs_from}; "
            ways += ", which does not wait"
        return Finding("signing algorithm", False, says + ways)

    async def _check_unproven(self) -> list[Finding]:
        """Report rights that an older release gave to accounts whose address nobody has proven."""
        amount, named = await self.unproven.above_user()
        says = "none above user" if amount == 0 else f"{_accounts(amount, named)} above user: "
        if amount:
            says += "have the address proven, or vouch with `keyfob users mark-verified`"
        findings = [Finding("unproven roles", amount == 0, says)]
        amount, named = await self.unproven.with_factors()
        says = "none with factors"
        if amount:
            # No problem: they work, and nothing needs to be done.
            says = (
                f"{_accounts(amount, named)} with factors, which the first proof by recovery ends"
            )
        findings.append(Finding("unproven factors", True, says))
        if self.settings.verify_email == "required":
            amount, named = await self.unproven.signed_in()
            says = "none signed in"
            if amount:
                # No problem: it is what the setting asks for, and happens by itself.
                says = f"{_accounts(amount, named)} signed in, and signed out at the next start"
            findings.append(Finding("unverified sessions", True, says))
        return findings

    def _check_templates(self) -> Finding:
        try:
            self.delivery.writer.check()
        except WrongTemplate as fault:
            return Finding("mail templates", False, f"{fault}; ours is used instead")
        return Finding("mail templates", True, f"in {', '.join(Locale)}")

    async def _check_mail_server(self) -> Finding:
        try:
            await self.delivery.greet()
        except TryAgain as fault:
            return Finding("mail server", False, f"no mail leaves: {fault.reason}")
        if exposed := what_mail_exposes(self.settings):
            return Finding("mail server", False, exposed)
        carrier = self.delivery.carrier
        if not isinstance(carrier, SmtpCarrier):
            return Finding("mail server", True, "KEYFOB_SMTP_URL is not set: mails are only kept")
        # A relay in a private network may do without TLS: that is told, but is no problem.
        says = "takes our sender" + ("" if carrier.server.is_private else ", without encryption")
        return Finding("mail server", True, says)


def _why(fault: object) -> str:
    if fault is None:
        return "can be done"
    return in_one_line(fault) if isinstance(fault, Problem) else repr(fault)


def _accounts(amount: int, named: Sequence[str]) -> str:
    more = ", ...: `keyfob users list --never-proven`" if amount > len(named) else ""
    return f"{amount} unproven ({', '.join(named)}{more})"
