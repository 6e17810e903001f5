"""Caps: limits of the mails that one mailbox gets.

Mails that strangers can ask for are counted where they are asked for (`Cap`), before a link is
made. Notices about changes in an account are counted between the change and the mail
(`mail.notices`).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias
from uuid import UUID

import structlog
from prometheus_client import Counter

from keyfob.core.telemetry import mask_email
from keyfob.limits.models import Rule, Tally, Window
from keyfob.limits.store import Store
from keyfob.settings import Settings

MAILS_CAPPED = Counter(
    "keyfob_mails_capped_total", "Mails not sent, for their address has had enough of them."
)

# The life of the one link beyond the cap, which is also how often there can be one.
SPARE_TTL = timedelta(hours=6)

log = structlog.get_logger("keyfob.limits")

# The spellings that certainly lead to one mailbox, besides tags: the first three have several
# domains and ignore dots; Proton ignores dashes as well. Fastmail delivers `tag@user.fastmail.com`
# to `user@fastmail.com`.
_GMAIL = frozenset({"gmail.com", "googlemail.com"})
_YANDEX = frozenset({"yandex.ru", "ya.ru", "yandex.com", "yandex.by", "yandex.kz"})
_PROTON = frozenset({"proton.me", "protonmail.com", "protonmail.ch", "pm.me"})
_FASTMAIL = frozenset({"fastmail.com", "fastmail.fm"})
_NO_DASHES = str.maketrans("", "", ".-_")

Write: TypeAlias = Callable[[], Awaitable[bool]]
"""Writes a mail, if it still has a reader; returns whether it did."""


@dataclass(frozen=True)
class Cap:
    """Counts the mails that anyone can ask for, per mailbox; threat: mail bombing.

    Args:
        rule: how many mails of this sort a mailbox gets.
        spare: how many more each address gets, or each owner there (`proof.link_requests`).
        for_tags: how many of the spare ones all tags of a mailbox get together.
        store: the store of the counts.
    """

    rule: Rule
    spare: Rule
    for_tags: Rule
    store: Store

    async def allows(self, address_normal: str) -> bool:
        """Count one mail to an address (in its normal form); False if its cap is reached.

        Then the mail is not sent, but the requester gets the usual answer. Different spellings of
        one mailbox (`fold`) are counted together.

        Raises:
            Unavailable: the store of the limits is down.
        """
        windows = self.rule.windows(fold(address_normal))
        return await self._count(windows, address_normal, self.rule.name) is not None

    async def lend_spare(
        self, address_normal: str, write: Write, *, proven: bool, owner: UUID | None
    ) -> None:
        """Call `write` for one mail beyond the cap, unless the address has had it.

        A mail to an `owner` who is not a stranger is counted separately. A mail to a tag whose
        account is not proven also counts for all tags of its mailbox.

        Raises:
            Unavailable: the store of the limits is down.
        """
        # Addresses have no spaces, so an owner's count never coincides with that of another
        # address.
        counted = address_normal if owner is None else f"{owner} {address_normal}"
        windows = self.spare.windows(counted)
        mailbox = fold(address_normal)
        if mailbox != address_normal and not proven:
            windows += self.for_tags.windows(mailbox)
        await self._lend(windows, address_normal, self.spare.name, write)

    async def lend_for_tag(self, address_normal: str, write: Write) -> None:
        """Call `write` for one mail beyond the cap to any of the tags of a mailbox, if any is left.

        Raises:
            Unavailable: the store of the limits is down.
        """
        windows = self.for_tags.windows(fold(address_normal))
        await self._lend(windows, address_normal, self.for_tags.name, write)

    async def _lend(
        self, windows: list[Window], address_normal: str, sort: str, write: Write
    ) -> None:
        """Count a mail, call `write`, and undo the count if no mail was written or after a fault.

        Threat: a stranger's account asks for the last mail to an address and is deleted in the same
        moment; that must not deprive the owner of the mail. The count comes before the account is
        locked: a transaction that waited for the store would delay all that wait for the account.
        """
        taken = await self._count(windows, address_normal, sort)
        if taken is None:
            return
        is_written = False
        try:
            is_written = await write()
        finally:
            if taken and not is_written:
                await self.store.give_back(taken)

    async def _count(
        self, windows: list[Window], address_normal: str, sort: str
    ) -> tuple[Tally, ...] | None:
        """Return the counts; None if one of the windows is full."""
        if not windows:
            return ()
        outcome = await self.store.count_attempt(windows)
        if outcome.counted:
            return outcome.tallies
        _tell_capped(address_normal, sort)
        return None


class Counted(NamedTuple):
    """The result of counting a notice; `silent_until` is set if no more of its sort may follow."""

    may_go: bool
    silent_until: datetime | None = None


@dataclass(frozen=True)
class NoticeCaps:
    """Counts notices per address, each sort separately.

    Threats: somebody who signed up with another person's address fills that mailbox by making
    changes in the account; and the thief of a session causes harmless notices until the important
    one is not sent. So addresses that are not proven get few notices, and no sort uses up
    another's.

    Args:
        proven: how many notices of a sort go to a proven address, or to all tags of a mailbox.
        unproven: how many go to an address that is not proven.
        store: the store of the counts.
    """

    proven: Rule
    unproven: Rule
    store: Store

    async def count(self, sort: str, address: str, *, proven: bool) -> Counted:
        """Count one notice to an address in lower case, and tell whether it may be sent.

        Raises:
            Unavailable: the store of the limits is down.
        """
        windows = self._windows(sort, address, proven=proven)
        if not windows:
            return Counted(True)
        outcome = await self.store.count_attempt(windows)
        if not outcome.counted:
            _tell_capped(address, sort)
            return Counted(False)
        full = [tally.expires_at for tally in outcome.tallies if not tally.remaining]
        return Counted(True, max(full, default=None))

    def _windows(self, sort: str, address: str, *, proven: bool) -> list[Window]:
        if proven:
            return self.proven.windows(sort, address)
        windows = self.unproven.windows(sort, address)
        mailbox = fold(address)
        if mailbox != address:
            # In windows of their own: signing up with tags uses up nothing of the mailbox's own
            # account.
            windows += self.proven.windows(sort, "tags", mailbox)
        return windows


@dataclass(frozen=True)
class MailCaps:
    """The caps as the settings have them; none if limits are off."""

    settings: Settings
    store: Store

    def of(self, name: str) -> Cap:
        """Return the cap of one kind of mail that strangers can ask for, per mailbox.

        Each kind has its own: otherwise somebody could use up a person's recovery mails by having
        sign-ups mailed to that person.
        """
        return Cap(
            self._rule(name, self.settings.limit_mail),
            self._rule(f"{name}-spare", f"1/{int(SPARE_TTL.total_seconds())}second"),
            self._rule(f"{name}-tags", self.settings.limit_notices),
            self.store,
        )

    def of_notices(self) -> NoticeCaps:
        """Return the caps of notices, per address."""
        return NoticeCaps(
            self._rule("notice", self.settings.limit_notices),
            self._rule("notice-unproven", self.settings.limit_notices_unproven),
            self.store,
        )

    def _rule(self, name: str, notation: str) -> Rule:
        return Rule.parse(name, notation) if self.settings.limits == "on" else Rule(name)


def fold(address_normal: str) -> str:
    """Return one text for all known spellings of a mailbox's address.

    It is for counting only: where a `+` is a letter like any other, two persons are counted
    together.
    """
    local, _, domain = address_normal.rpartition("@")
    local = local.partition("+")[0] or local
    if domain in _GMAIL:
        return f"{local.replace('.', '')}@gmail.com"
    if domain in _YANDEX:
        return f"{local.replace('.', '-')}@yandex.ru"
    if domain in _PROTON:
        return f"{local.translate(_NO_DASHES)}@proton.me"
    user, _, parent = domain.partition(".")
    if parent in _FASTMAIL:
        local, domain = user, parent
    if domain in _FASTMAIL:
        local = local.replace("_", "-")  # their domains have a dash in its place
    return f"{local}@{domain}"


def _tell_capped(address: str, sort: str) -> None:
    MAILS_CAPPED.inc()
    log.warning("mail_capped", to=mask_email(address), sort=sort)
