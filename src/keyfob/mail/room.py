"""The room of mails: writing them with a change, and handing them over."""

from urllib.parse import urlsplit

from keyfob.accounts.service import Accounts
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.locales import _
from keyfob.core.rooms import Chore, Room
from keyfob.limits.mail_caps import MailCaps
from keyfob.mail.delivery import Carrier, Delivery
from keyfob.mail.folder import MailFolder
from keyfob.mail.message import Sender
from keyfob.mail.models import MAIL
from keyfob.mail.notices import NoticeGate
from keyfob.mail.server import Server
from keyfob.mail.service import Mail
from keyfob.mail.smtp import SmtpCarrier
from keyfob.mail.writing import Writer
from keyfob.outbox.errors import GiveUp
from keyfob.outbox.service import Outbox
from keyfob.settings import Settings, WrongSetting
from keyfob.settings.brand import OURS, palette_of
from keyfob.settings.urls import is_loopback

_NAME = "Keyfob"


def build(
    *,
    settings: Settings,
    db: Database,
    clock: Clock,
    outbox: Outbox,
    accounts: Accounts,
    caps: MailCaps,
) -> Room:
    """Build the services that write and deliver mails, without connecting yet.

    Raises:
        WrongSetting: a value cannot be used.
    """
    delivery = build_delivery(settings, clock)
    gate = NoticeGate(db=db, outbox=outbox, caps=caps.of_notices())
    return Room(
        services=[Mail(outbox=outbox, clock=clock, accounts=accounts), delivery],
        jobs={MAIL: delivery.deliver, NoticeGate.KIND: gate.send},
        chores=[Chore("old mails", 3600, delivery.carrier.delete_old)],
    )


def build_delivery(settings: Settings, clock: Clock) -> Delivery:
    """Build the delivery of mails, without connecting yet.

    Raises:
        WrongSetting: a value cannot be used.
    """
    try:
        sender = Sender.parse(settings.mail_from)
    except GiveUp as fault:
        raise WrongSetting(f"KEYFOB_MAIL_FROM: cannot be used: {fault}") from None
    service = settings.brand_name or sender.name or _NAME
    colours = palette_of(settings.brand_accent) if settings.brand_accent else OURS
    writer = Writer(settings.public_base, service, settings.mail_templates, colours)
    return Delivery(writer, _carrier(settings, clock), sender)


def what_mail_exposes(settings: Settings) -> str | None:
    """Return what unauthorised people could read with these mail settings; None if nothing."""
    server = _server(settings)
    if server is None:
        if is_loopback(urlsplit(settings.public_base).hostname or ""):
            return None  # a first trial: its only user follows the links in the log
        return _(
            "KEYFOB_SMTP_URL is not set: no mail leaves, and whoever reads the log can follow the "
            "links of recovery in it"
        )
    if server.user is None or server.is_private:
        return None
    return _(
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
    """Return the name for EHLO (RFC 5321 section 4.1.1.1): a domain, or an [address]."""
    host = urlsplit(base).hostname or "localhost"
    if ":" in host:
        return f"[IPv6:{host}]"
    return f"[{host}]" if host.replace(".", "").isdigit() else host
