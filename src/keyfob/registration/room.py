"""The room of sign-ups and of verification."""

from functools import partial

from keyfob.accounts.credentials import Credentials
from keyfob.accounts.service import Accounts
from keyfob.audit.service import Audit
from keyfob.core.database import Database
from keyfob.core.rooms import Room
from keyfob.limits.mail_caps import MailCaps
from keyfob.login.door import Door
from keyfob.login.guarding import GuardedPasswords
from keyfob.login.service import Login
from keyfob.mail.service import Mail
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.outbox.service import Outbox
from keyfob.passwords.service import Passwords
from keyfob.proof.link_requests import LinkRequests
from keyfob.proof.service import Proofs
from keyfob.registration import routes
from keyfob.registration.service import Registration
from keyfob.registration.sign_in import VerifyingSignIn
from keyfob.registration.sign_ups import SignUps
from keyfob.registration.verification import EmailVerification, VerificationLinks
from keyfob.sessions.standing import Standing
from keyfob.settings import Settings


def build(
    *,
    settings: Settings,
    db: Database,
    accounts: Accounts,
    credentials: Credentials,
    passwords: Passwords,
    standing: Standing,
    guard: GuardedPasswords,
    login: Login,
    door: Door,
    links: OneTimeTokens,
    proofs: Proofs,
    outbox: Outbox,
    mail: Mail,
    caps: MailCaps,
    audit: Audit,
) -> Room:
    """Build the services for sign-ups, depending on `KEYFOB_VERIFY_EMAIL`, and verification."""
    requests = partial(LinkRequests, db=db, outbox=outbox, links=links)
    proving = VerificationLinks(
        credentials=credentials,
        links=links,
        requests=requests(kind="verify.request", cap=caps.of("mail-verify")),
        mail=mail,
    )
    verification = EmailVerification(
        db=db,
        credentials=credentials,
        links=links,
        proofs=proofs,
        standing=standing,
        audit=audit,
    )
    sign_ups = SignUps(
        accounts=accounts,
        credentials=credentials,
        passwords=passwords,
        verification=proving,
        requests=requests(kind="register.request", cap=caps.of("mail-register")),
        mail=mail,
        audit=audit,
    )
    registration = Registration(
        db=db,
        accounts=accounts,
        passwords=passwords,
        door=door,
        audit=audit,
        sign_ups=sign_ups if settings.verify_email == "required" else None,
        verification=proving if settings.verify_email == "optional" else None,
    )
    verifying_sign_in = VerifyingSignIn(
        db=db,
        credentials=credentials,
        links=links,
        guard=guard,
        login=login,
        verification=verification,
    )
    return Room(
        services=[proving, verification, verifying_sign_in, sign_ups, registration],
        routes=[routes.routes],
        jobs={
            sign_ups.requests.kind: sign_ups.admit,
            proving.requests.kind: proving.send_requested,
        },
    )
