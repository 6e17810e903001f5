"""How many mails one mailbox gets.

What strangers can ask for is counted where it is asked for (`Cap`), before a link is made. Notices
of what was done in an account are counted between the change and the mail (`mail.notices`).
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

# How long the one link beyond the cap lives, and so how often there is one.
SPARE_TTL = timedelta(hours=6)

log = structlog.get_logger("keyfob.limits")

# What these are sure to take for one mailbox, beside the tag: all domains of the first three, and
# any dots; Proton any dash as well. Fastmail takes `tag@user.fastmail.com` for `user@fastmail.com`.
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
        rule: how many of this sort a mailbox gets.
        spare: how many beyond that each address gets, or each owner there (`proof.spare_links`).
        for_tags: how many of those all tags of a mailbox get together.
        store: where they are counted.
    """

    rule: Rule
    spare: Rule
    for_tags: Rule
    store: Store

    async def allows(self, address_normal: str) -> bool:
        """Count one mail to an address (in its normal form); False if it has had enough.

        Then the mail is not sent, and whoever asked for it is told the same as ever. Spellings of
        one mailbox (`fold`) are counted together.

        Raises:
            Unavailable: the store of the limits is away.
        """
        windows = self.rule.windows(fold(address_normal))
        return await self._count(windows, address_normal, self.rule.name) is not None

    async def lend_spare(
        self, address_normal: str, write: Write, *, proven: bool, owner: UUID | None
    ) -> None:
        """Have one mail beyond that written to an address, unless it has had it.

        What its `owner` had there is counted apart, where that is no stranger. One to a tag whose
        account is not proven counts for all tags of its mailbox, too.

        Raises:
            Unavailable: the store of the limits is away.
        """
        # No address has a space, so none is counted as an owner at another.
        counted = address_normal if owner is None else f"{owner} {address_normal}"
        windows = self.spare.windows(counted)
        mailbox = fold(address_normal)
        if mailbox != address_normal and not proven:
            windows += self.for_tags.windows(mailbox)
        await self._lend(windows, address_normal, self.spare.name, write)

    async def lend_for_tag(self, address_normal: str, write: Write) -> None:
        """Have one mail beyond that written to one of the tags of a mailbox, if they have room.

        Raises:
            Unavailable: the store of the limits is away.
        """
        windows = self.for_tags.windows(fold(address_normal))
        await self._lend(windows, address_normal, self.for_tags.name, write)

    async def _lend(
        self, windows: list[Window], address_normal: str, sort: str, write: Write
    ) -> None:
        """Count a mail, have it written, and give it back if it was not, or at a fault.

        Threat: a stranger's account that asks for the last mail to an address, and leaves it in the
        same moment, must not keep it from the owner. Counted before the account is held: a
        transaction that waited for the store would hold up all who wait for the account.
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
        """Return what was counted; None if one of the windows is full."""
        if not windows:
            return ()
        outcome = await self.store.count_attempt(windows)
        if outcome.counted:
            return outcome.tallies
        _tell_capped(address_normal, sort)
        return None


class Counted(NamedTuple):
    """Whether a notice may go; and where it is the last of its sort, until when."""

    may_go: bool
    silent_until: datetime | None = None


@dataclass(frozen=True)
class NoticeCaps:
    """Counts notices per address, each sort apart.

    Threats: whoever signed up with another's address fills that mailbox by what is done in the
    account; and whoever holds a stolen session makes harmless notices until none is sent of what
    matters. So an address that is not proven gets few, and no sort uses up another's.

    Args:
        proven: how many of a sort go to a proven address; to all tags of a mailbox together.
        unproven: how many go to one that is not.
        store: where they are counted.
    """

    proven: Rule
    unproven: Rule
    store: Store

    async def count(self, sort: str, address: str, *, proven: bool) -> Counted:
        """Count one notice to an address in lower case, and tell whether it may go.

        Raises:
            Unavailable: the store of the limits is away.
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
            # Of their own: whoever signs up with tags uses up nothing of the mailbox's own account.
            windows += self.proven.windows(sort, "tags", mailbox)
        return windows


@dataclass(frozen=True)
class MailCaps:
    """The caps as the settings have them; none where limits are off."""

    settings: Settings
    store: Store

    def of(self, name: str) -> Cap:
        """Return the bound of one kind of mail that strangers can ask for, per mailbox.

        One for each: whoever has sign-ups mailed to somebody could else use up the mails by which
        that somebody recovers a password.
        """
        return Cap(
            self._rule(name, self.settings.limit_mail),
            self._rule(f"{name}-spare", f"1/{int(SPARE_TTL.total_seconds())}second"),
            self._rule(f"{name}-tags", self.settings.limit_notices),
            self.store,
        )

    def of_notices(self) -> NoticeCaps:
        """Return the bounds of notices, per address."""
        return NoticeCaps(
            self._rule("notice", self.settings.limit_notices),
            self._rule("notice-unproven", self.settings.limit_notices_unproven),
            self.store,
        )

    def _rule(self, name: str, notation: str) -> Rule:
        return Rule.parse(name, notation) if self.settings.limits == "on" else Rule(name)


def fold(address_normal: str) -> str:
    """Return what stands for a mailbox, of whose addresses many may be spellings.

    For counting alone: where a `+` is a letter like any other, two persons are counted together.
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
        local = local.replace("_", "-")  # which a domain has in its place
    return f"{local}@{domain}"


def _tell_capped(address: str, sort: str) -> None:
    MAILS_CAPPED.inc()
    log.warning("mail_capped", to=mask_email(address), sort=sort)
