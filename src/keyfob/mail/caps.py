"""How many mails one mailbox gets.

What strangers can ask for is counted where it is asked for (`Cap`), before a link is made. Notices
of what was done in an account are counted between the change and the mail (`mail.notices`).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import structlog

from keyfob.core.telemetry import MAILS_CAPPED, mask_email
from keyfob.limits.models import Rule, Window
from keyfob.limits.store import Store
from keyfob.mail.models import Template

log = structlog.get_logger("keyfob.mail")

# What these are sure to take for one mailbox, beside the tag: all domains of the first three, and
# any dots; Proton any dash as well. Fastmail takes `tag@user.fastmail.com` for `user@fastmail.com`.
_GMAIL = frozenset({"gmail.com", "googlemail.com"})
_YANDEX = frozenset({"yandex.ru", "ya.ru", "yandex.com", "yandex.by", "yandex.kz"})
_PROTON = frozenset({"proton.me", "protonmail.com", "protonmail.ch", "pm.me"})
_FASTMAIL = frozenset({"fastmail.com", "fastmail.fm"})
_NO_DASHES = str.maketrans("", "", ".-_")


@dataclass(frozen=True)
class Cap:
    """Counts the mails that anyone can ask for, per mailbox; threat: mail bombing.

    Args:
        rule: how many of this sort a mailbox gets.
        spare: how many beyond that each address gets (`proof.spare_links`).
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
        return await self._count(self.rule, address_normal)

    async def allows_spare(self, address_normal: str, *, proven: bool) -> bool:
        """Count one mail beyond that to an address; False if it has had it.

        One to a tag whose account is not proven counts for all tags of its mailbox, too.

        Raises:
            Unavailable: the store of the limits is away.
        """
        windows = self.spare.windows(address_normal)
        mailbox = fold(address_normal)
        if mailbox != address_normal and not proven:
            windows += self.for_tags.windows(mailbox)
        return await self._counts(windows, address_normal, self.spare.name)

    async def allows_for_tag(self, address_normal: str) -> bool:
        """Count one mail beyond that to one of the tags of a mailbox; False if they had enough.

        Raises:
            Unavailable: the store of the limits is away.
        """
        return await self._count(self.for_tags, address_normal)

    async def _count(self, rule: Rule, address_normal: str) -> bool:
        return await self._counts(rule.windows(fold(address_normal)), address_normal, rule.name)

    async def _counts(self, windows: list[Window], address_normal: str, sort: str) -> bool:
        if not windows or (await self.store.count_attempt(windows)).counted:
            return True
        _tell_capped(address_normal, sort)
        return False


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

    async def count(self, template: Template, address: str, *, proven: bool) -> Counted:
        """Count one notice to an address in lower case, and tell whether it may go.

        Raises:
            Unavailable: the store of the limits is away.
        """
        windows = self._windows(template, address, proven=proven)
        if not windows:
            return Counted(True)
        outcome = await self.store.count_attempt(windows)
        if not outcome.counted:
            _tell_capped(address, template)
            return Counted(False)
        full = [tally.expires_at for tally in outcome.tallies if not tally.remaining]
        return Counted(True, max(full, default=None))

    def _windows(self, sort: Template, address: str, *, proven: bool) -> list[Window]:
        if proven:
            return self.proven.windows(sort, address)
        windows = self.unproven.windows(sort, address)
        mailbox = fold(address)
        if mailbox != address:
            # Of their own: whoever signs up with tags uses up nothing of the mailbox's own account.
            windows += self.proven.windows(sort, "tags", mailbox)
        return windows


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
