"""The room of one's own account."""

from datetime import timedelta

from keyfob.accounts.credentials import Credentials
from keyfob.accounts.profiles import Profiles
from keyfob.accounts.service import Accounts
from keyfob.audit.service import Audit
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.rooms import Chore, Room
from keyfob.limits.mail_caps import MailCaps
from keyfob.login.guarding import GuardedPasswords
from keyfob.login_log.service import LoginLog
from keyfob.mail.service import Mail
from keyfob.mfa.stepup import FactorStepUp
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.outbox.service import Outbox
from keyfob.own_account import routes
from keyfob.own_account.email import OwnEmail
from keyfob.own_account.erasure import Erasure, OwnErasure
from keyfob.own_account.export import OwnExport
from keyfob.own_account.password import OwnPassword
from keyfob.own_account.profile import OwnProfile
from keyfob.passwords.service import Passwords
from keyfob.proof.link_requests import LinkRequests
from keyfob.proof.sign_ups import WaitingSignUps
from keyfob.sessions.service import Sessions
from keyfob.sessions.standing import Standing
from keyfob.settings import Settings


def build(
    *,
    settings: Settings,
    db: Database,
    clock: Clock,
    accounts: Accounts,
    credentials: Credentials,
    profiles: Profiles,
    passwords: Passwords,
    guard: GuardedPasswords,
    sessions: Sessions,
    standing: Standing,
    step_up: FactorStepUp,
    sign_ups: WaitingSignUps,
    log: LoginLog,
    links: OneTimeTokens,
    outbox: Outbox,
    mail: Mail,
    caps: MailCaps,
    audit: Audit,
) -> Room:
    """Build the services for changes that users make to their own accounts."""
    profile = OwnProfile(
        db=db, standing=standing, accounts=accounts, profiles=profiles, audit=audit
    )
    password = OwnPassword(
        db=db,
        credentials=credentials,
        step_up=step_up,
        passwords=passwords,
        guard=guard,
        sessions=sessions,
        mail=mail,
        audit=audit,
    )
    requests = LinkRequests(
        kind="email.change", db=db, outbox=outbox, links=links, cap=caps.of("mail")
    )
    email = OwnEmail(
        db=db,
        accounts=accounts,
        credentials=credentials,
        standing=standing,
        step_up=step_up,
        sign_ups=sign_ups,
        links=links,
        requests=requests,
        mail=mail,
        audit=audit,
    )
    export = OwnExport(db=db, standing=standing, step_up=step_up, audit=audit, clock=clock)
    erasure = Erasure(db=db, accounts=accounts, sessions=sessions, log=log, mail=mail, audit=audit)
    own_erasure = OwnErasure(
        db=db,
        accounts=accounts,
        standing=standing,
        step_up=step_up,
        erasure=erasure,
        mail=mail,
        audit=audit,
        clock=clock,
        grace=timedelta(days=settings.erasure_grace_days),
    )
    return Room(
        services=[profile, password, email, export, erasure, own_erasure],
        routes=[routes.routes],
        jobs={requests.kind: email.send_link},
        chores=[Chore("erasures", 60, own_erasure.erase_due)],
    )
