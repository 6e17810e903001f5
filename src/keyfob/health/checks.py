"""The checks of a running installation, with advice about problems.

`keyfob doctor`, the admin API and the console show them: the console in its reader's language.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import UUID

from keyfob.administration.unproven import Unproven
from keyfob.core.database import Database
from keyfob.core.encryption import CannotDecrypt
from keyfob.core.feed import count_listeners
from keyfob.core.locales import Locale, _, ngettext, pgettext
from keyfob.core.problems import Problem, in_one_line
from keyfob.health.service import Health
from keyfob.limits.local import LocalRate
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
    """A part of the installation, whether it is well, and a sentence about it.

    Both are said in the language in which the check runs; English outside of pages.
    """

    part: str
    well: bool
    says: str


def check_settings(settings: Settings) -> Iterator[Finding]:
    """Yield what the settings themselves tell."""
    said = "; ".join([_("readable"), *settings.remarks_said(_)])
    yield Finding(pgettext("of a check-up", "settings"), True, said)
    limits, cost = settings.limits, settings.bcrypt_cost
    said = _("KEYFOB_LIMITS is %(value)s") % {"value": limits}
    yield Finding(pgettext("of a check-up", "limits"), limits == "on", said)
    said = _("is %(value)s") % {"value": cost}
    yield Finding(pgettext("of a check-up", "bcrypt cost"), cost >= 10, said)
    yield _check_issuer(settings)
    if settings.pages:
        yield _check_pages(settings)


def _check_issuer(settings: Settings) -> Finding:
    """Check `iss`, which services that verify tokens compare with the address that they know."""
    unset = settings.issuer is None
    well = not (unset and _is_for_others(settings))
    says = _("is %(value)s") if well else _("is %(value)s; set KEYFOB_ISSUER, others call it")
    return Finding(pgettext("of a check-up", "issuer"), well, says % {"value": settings.issuer_url})


def _check_pages(settings: Settings) -> Finding:
    """Check that the cookie of pages is safe; only the operator knows what else is on the host."""
    parts, pages = urlsplit(settings.public_base), pgettext("of a check-up", "pages")
    if parts.scheme == "https" or is_loopback(parts.hostname or ""):
        says = _("are on %(host)s; any other app on that host gets their cookie")
        return Finding(pages, True, says % {"host": parts.netloc})
    says = _("sign nobody in at %(url)s: KEYFOB_PUBLIC_URL should be https")
    return Finding(pages, False, says % {"url": settings.public_base})


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
    rate: LocalRate

    async def run_for(self, caller: UUID) -> list[Finding]:
        """Return the findings, also on the settings, for somebody who asks over HTTP.

        Threat: each time, the checks connect to the mail server and write every mail.

        Raises:
            TooManyRequests: the caller has asked six times in a minute.
            DatabaseUnavailable: the database does not answer.
        """
        self.rate.hit(caller)
        return [*check_settings(self.settings), *[one async for one in self.run()]]

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
        # Every mail in every language: a tenth of a second.
        yield await asyncio.to_thread(self._check_templates)
        yield await self._check_mail_server()

    async def _try_out(self) -> list[Finding]:
        """Try everything that requests do."""
        tried = await self.health.ask()
        parts = {
            "writes": pgettext("of a check-up", "database writes"),
            "limit_store": pgettext("of a check-up", "limit store"),
        }
        return [
            Finding(name, tried[part] is None, _why(tried[part]))
            for part, name in parts.items()
            if part in tried
        ]

    async def _check_workers(self) -> Finding:
        """Check for other instances: without KEYFOB_ISSUER, each refuses the others' tokens."""
        count = await count_listeners(self.db)
        well = self.settings.issuer is not None or count <= self.settings.workers
        if not count:
            says = _("none listens to this database: the service is stopped, or is behind a pooler")
        elif well:
            says = ngettext(
                "%(num)s listens to this database", "%(num)s listen to this database", count
            )
        else:
            says = ngettext(
                "%(num)s listens to this database; set KEYFOB_ISSUER, the same for all instances",
                "%(num)s listen to this database; set KEYFOB_ISSUER, the same for all instances",
                count,
            )
        return Finding(pgettext("of a check-up", "workers"), well, says % {"num": count})

    async def _check_keys(self) -> list[Finding]:
        keys = pgettext("of a check-up", "signing keys")
        try:
            await self.keyring.load()
            kid = self.keyring.active().kid
        except CannotDecrypt as fault:
            return [Finding(keys, False, _("cannot be opened: %(why)s") % {"why": fault})]
        except NoSigningKey:
            advice = _("none signs; run `keyfob keys rotate --compromised`")
            return [Finding(keys, False, advice)]
        says = _("%(key)s signs") % {"key": kid}
        return [Finding(keys, True, says), self._check_algorithm()]

    def _check_algorithm(self) -> Finding:
        """Check the algorithm: running workers use another one only after a restart."""
        wanted = self.settings.signing_algorithm
        active, newest = self.keyring.active(), self.keyring.newest()
        well = newest.algorithm == wanted
        if well:
            says = (
                _("%(active)s signs")
                if newest.algorithm == active.algorithm
                else _("%(active)s signs, %(wanted)s from %(from)s")
            )
        elif newest is active:
            says = _(
                "%(active)s signs, KEYFOB_SIGNING_ALGORITHM is %(wanted)s: restart every instance "
                "with it, or run `keyfob keys rotate`"
            )
        else:
            says = _(
                "%(active)s signs, KEYFOB_SIGNING_ALGORITHM is %(wanted)s: it waits until the next "
                "key signs, at %(from)s; restart every instance with it, or run `keyfob keys "
                "rotate`, which does not wait"
            )
        told = {
            "active": active.algorithm,
            "wanted": wanted,
            "from": newest.signs_from.isoformat(timespec="seconds"),
        }
        return Finding(pgettext("of a check-up", "signing algorithm"), well, says % told)

    async def _check_unproven(self) -> list[Finding]:
        """Report rights that an older release gave to accounts whose address nobody has proven."""
        found = await self.unproven.above_user()
        says = _(
            "%(accounts)s above user: have the address proven, or vouch with "
            "`keyfob users mark-verified`"
        )
        says = _of(found, says, _("none above user"))
        part = pgettext("of a check-up", "unproven roles")
        findings = [Finding(part, found[0] == 0, says)]
        # No problem: they work, and nothing needs to be done.
        says = _("%(accounts)s with factors, which the first proof by recovery ends")
        says = _of(await self.unproven.with_factors(), says, _("none with factors"))
        findings.append(Finding(pgettext("of a check-up", "unproven factors"), True, says))
        if self.settings.verify_email == "required":
            # No problem: it is what the setting asks for, and happens by itself.
            says = _("%(accounts)s signed in, and signed out at the next start")
            says = _of(await self.unproven.signed_in(), says, _("none signed in"))
            findings.append(Finding(pgettext("of a check-up", "unverified sessions"), True, says))
        return findings

    def _check_templates(self) -> Finding:
        templates = pgettext("of a check-up", "mail templates")
        try:
            self.delivery.writer.check()
        except WrongTemplate as fault:
            says = _("%(why)s; ours is used instead") % {"why": fault}
            return Finding(templates, False, says)
        return Finding(templates, True, _("in %(languages)s") % {"languages": ", ".join(Locale)})

    async def _check_mail_server(self) -> Finding:
        server = pgettext("of a check-up", "mail server")
        try:
            await self.delivery.greet()
        except TryAgain as fault:
            return Finding(server, False, _("no mail leaves: %(why)s") % {"why": fault.reason})
        if exposed := what_mail_exposes(self.settings):
            return Finding(server, False, exposed)
        carrier = self.delivery.carrier
        if not isinstance(carrier, SmtpCarrier):
            return Finding(server, True, _("KEYFOB_SMTP_URL is not set: mails are only kept"))
        # A relay in a private network may do without TLS: that is told, but is no problem.
        if not carrier.server.is_private:
            return Finding(server, True, _("takes our sender, without encryption"))
        return Finding(server, True, _("takes our sender"))


def _why(fault: object) -> str:
    if fault is None:
        return _("can be done")
    return in_one_line(fault) if isinstance(fault, Problem) else repr(fault)


def _of(found: tuple[int, Sequence[str]], says: str, none: str) -> str:
    """Return a sentence about unproven accounts, of which the first are named; or about none."""
    amount, named = found
    if not amount:
        return none
    more = _(", ...: `keyfob users list --never-proven`") if amount > len(named) else ""
    accounts = _("%(num)s unproven (%(named)s%(more)s)")
    told = {"num": amount, "named": ", ".join(named), "more": more}
    return says % {"accounts": accounts % told}
