"""The room of recovery and invitations."""

from datetime import timedelta

from keyfob.accounts.credentials import Credentials
from keyfob.accounts.service import Accounts
from keyfob.audit.service import Audit
from keyfob.core.database import Database
from keyfob.core.rooms import Room
from keyfob.limits.mail_caps import MailCaps
from keyfob.limits.service import SignInThrottle
from keyfob.login_log.service import LoginLog
from keyfob.mail.service import Mail
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.outbox.service import Outbox
from keyfob.passwords.service import Passwords
from keyfob.proof.link_requests import LinkRequests
from keyfob.proof.service import Proofs
from keyfob.recovery import routes
from keyfob.recovery.service import Recovery
from keyfob.sessions.service import Sessions
from keyfob.settings import Settings


def build(
    *,
    settings: Settings,
    db: Database,
    accounts: Accounts,
    credentials: Credentials,
    passwords: Passwords,
    sessions: Sessions,
    proofs: Proofs,
    links: OneTimeTokens,
    outbox: Outbox,
    mail: Mail,
    caps: MailCaps,
    throttle: SignInThrottle,
    log: LoginLog,
    audit: Audit,
) -> Room:
    """Build the recovery."""
    requests = LinkRequests(
        kind="recover.request", db=db, outbox=outbox, links=links, cap=caps.of("mail-recover")
    )
    recovery = Recovery(
        db=db,
        credentials=credentials,
        accounts=accounts,
        passwords=passwords,
        sessions=sessions,
        proofs=proofs,
        links=links,
        requests=requests,
        mail=mail,
        throttle=throttle,
        log=log,
        audit=audit,
        invitation_ttl=timedelta(seconds=settings.invitation_ttl),
    )
    return Room(
        services=[recovery],
        routes=[routes.routes],
        jobs={requests.kind: recovery.send_requested},
    )
