"""The mail room as the settings ask for it."""

from urllib.parse import urlsplit

from keyfob.core.clock import Clock
from keyfob.limits.models import Rule
from keyfob.limits.store import Store
from keyfob.mail.caps import NoticeCaps
from keyfob.mail.delivery import Carrier, Delivery
from keyfob.mail.folder import MailFolder
from keyfob.mail.message import Sender
from keyfob.mail.smtp import Server, SmtpCarrier
from keyfob.mail.writing import Writer
from keyfob.outbox.errors import GiveUp
from keyfob.settings import Settings, WrongSetting

_OURS = "Keyfob"


def build_delivery(settings: Settings, clock: Clock) -> Delivery:
    """Build what delivers mails. Nothing is connected and nothing loaded yet.

    Raises:
        WrongSetting: a value cannot be used.
    """
    try:
        sender = Sender.parse(settings.mail_from)
    except GiveUp as fault:
        raise WrongSetting(f"KEYFOB_MAIL_FROM: cannot be used: {fault}") from None
    writer = Writer(settings.public_base, sender.name or _OURS, settings.mail_templates)
    return Delivery(writer, _carrier(settings, clock), sender)


def build_notice_caps(settings: Settings, store: Store) -> NoticeCaps:
    """Build what counts notices."""
    return NoticeCaps(
        mail_rule(settings, "notice", settings.limit_notices),
        mail_rule(settings, "notice-unproven", settings.limit_notices_unproven),
        store,
    )


def mail_rule(settings: Settings, name: str, notation: str) -> Rule:
    """Return a bound of mails; none where limits are off."""
    return Rule.parse(name, notation) if settings.limits == "on" else Rule(name)


def _carrier(settings: Settings, clock: Clock) -> Carrier:
    if settings.smtp_url is None:
        return MailFolder(settings.data_dir / "mails", clock)
    server = Server.of_url(settings.smtp_url.get_secret_value())
    return SmtpCarrier(server, timeout=settings.smtp_timeout, name=_own_name(settings.public_base))


def _own_name(base: str) -> str:
    """Return what to say in EHLO (RFC 5321 section 4.1.1.1): a domain, or an [address]."""
    host = urlsplit(base).hostname or "localhost"
    if ":" in host:
        return f"[IPv6:{host}]"
    return f"[{host}]" if host.replace(".", "").isdigit() else host
