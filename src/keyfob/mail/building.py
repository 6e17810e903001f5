"""The mail room as the settings ask for it."""

from urllib.parse import urlsplit

from keyfob.core.clock import Clock
from keyfob.limits.mail_caps import NoticeCaps
from keyfob.limits.models import Rule
from keyfob.limits.store import Store
from keyfob.mail.delivery import Carrier, Delivery
from keyfob.mail.folder import MailFolder
from keyfob.mail.message import Sender
from keyfob.mail.server import Server
from keyfob.mail.smtp import SmtpCarrier
from keyfob.mail.writing import Writer
from keyfob.outbox.errors import GiveUp
from keyfob.settings import Settings, WrongSetting
from keyfob.settings.urls import is_loopback

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


def what_mail_exposes(settings: Settings) -> str | None:
    """Say what others could read who should not, as mail is set; None if nothing."""
    server = _server(settings)
    if server is None:
        if is_loopback(urlsplit(settings.public_base).hostname or ""):
            return None  # a first try: its only reader follows the links in the log
        return (
            "KEYFOB_SMTP_URL is not set: no mail leaves, and whoever reads the log can follow the "
            "links of recovery in it"
        )
    if server.user is None or server.is_private:
        return None
    return (
        "KEYFOB_SMTP_URL: user and password go to the mail server in the clear; use smtps:// or "
        "?starttls=1"
    )


def _carrier(settings: Settings, clock: Clock) -> Carrier:
    server = _server(settings)
    if server is None:
        return MailFolder(settings.data_dir / "mails", clock)
    return SmtpCarrier(server, timeout=settings.smtp_timeout, name=_own_name(settings.public_base))


def _server(settings: Settings) -> Server | None:
    url, token_file = settings.smtp_url, settings.smtp_token_file
    server = Server.of_url(url.get_secret_value(), token_file) if url else None
    if token_file and (server is None or server.user is None or server.password):
        raise WrongSetting(
            "KEYFOB_SMTP_TOKEN_FILE: goes with a user and no password in KEYFOB_SMTP_URL, such as "
            "smtp://mailer%40example.com@smtp.example.com?starttls=1"
        )
    return server


def _own_name(base: str) -> str:
    """Return what to say in EHLO (RFC 5321 section 4.1.1.1): a domain, or an [address]."""
    host = urlsplit(base).hostname or "localhost"
    if ":" in host:
        return f"[IPv6:{host}]"
    return f"[{host}]" if host.replace(".", "").isdigit() else host
