"""The flows of an account's life."""

from dataclasses import dataclass
from datetime import timedelta

from keyfob.administration.authority import Authority
from keyfob.administration.factors import FactorReset
from keyfob.administration.invitations import Invitations
from keyfob.administration.letters import Letters
from keyfob.administration.service import Administration
from keyfob.administration.unproven import Unproven
from keyfob.own_account.email import OwnEmail
from keyfob.own_account.erasure import Erasure, OwnErasure
from keyfob.own_account.export import OwnExport
from keyfob.own_account.password import OwnPassword
from keyfob.own_account.profile import OwnProfile
from keyfob.proof.service import Proofs
from keyfob.proof.sign_ups import WaitingSignUps
from keyfob.proof.spare_links import SpareLinks
from keyfob.recovery.service import Recovery
from keyfob.registration.service import Registration
from keyfob.registration.sign_in import VerifyingSignIn
from keyfob.registration.sign_ups import SignUps
from keyfob.registration.verification import EmailVerification, VerificationLinks
from keyfob.wiring.entering import Entering
from keyfob.wiring.foundations import Foundations


@dataclass(frozen=True)
class Living:
    """The account's life: signing up, proving an address, recovering, changing, leaving."""

    proofs: Proofs
    waiting: WaitingSignUps
    verification_links: VerificationLinks
    verification: EmailVerification
    verifying_sign_in: VerifyingSignIn
    sign_ups: SignUps
    registration: Registration
    recovery: Recovery
    own_profile: OwnProfile
    own_password: OwnPassword
    own_email: OwnEmail
    own_export: OwnExport
    own_erasure: OwnErasure
    admin: Administration
    invitations: Invitations
    factor_reset: FactorReset
    unproven: Unproven


def build_living(base: Foundations, entering: Entering) -> Living:
    """Build the flows of an account's life, and what administrators do to it."""
    settings, db, clock, mail = base.settings, base.db, base.clock, base.mail
    accounts, credentials, links = base.accounts, base.credentials, base.links
    sessions, outbox, audit, profiles = base.sessions, base.outbox, base.audit, base.profiles
    passwords, log = base.passwords.service, entering.log
    standing, step_up = base.standing, entering.mfa.step_up

    mfa = entering.mfa
    proofs = Proofs(credentials, sessions, links, mfa.factors, mfa.challenges)
    waiting = WaitingSignUps(db, credentials, log, audit)
    spares = SpareLinks(credentials)
    cap = base.mail_cap("mail-verify")
    proving = VerificationLinks(db, links, outbox, mail, cap, spares)
    verification = EmailVerification(db, credentials, links, proofs, standing, audit)
    cap = base.mail_cap("mail-register")
    sign_ups = SignUps(db, accounts, passwords, proving, outbox, mail, cap, spares, audit)
    recovery = Recovery(
        db,
        credentials,
        accounts,
        passwords,
        sessions,
        proofs,
        links,
        outbox,
        mail,
        base.mail_cap("mail-recover"),
        spares,
        base.limits.sign_in,
        log,
        audit,
        timedelta(seconds=settings.invitation_ttl),
    )
    erasure = Erasure(db, accounts, sessions, log, mail, audit)
    grace = timedelta(days=settings.erasure_grace_days)
    asks_for_proof = settings.verify_email != "off"
    authority = Authority(standing, step_up)
    letters = Letters(recovery, proving if asks_for_proof else None, links, mail)
    return Living(
        proofs=proofs,
        waiting=waiting,
        verification_links=proving,
        verification=verification,
        verifying_sign_in=VerifyingSignIn(
            db, credentials, links, entering.guard, entering.login, verification
        ),
        sign_ups=sign_ups,
        registration=Registration(
            db,
            accounts,
            passwords,
            entering.door,
            audit,
            sign_ups=sign_ups if settings.verify_email == "required" else None,
            verification=proving if settings.verify_email == "optional" else None,
        ),
        recovery=recovery,
        own_profile=OwnProfile(db, standing, accounts, profiles, audit),
        own_password=OwnPassword(
            db, credentials, step_up, passwords, entering.guard, sessions, mail, audit
        ),
        own_email=OwnEmail(
            db,
            accounts,
            credentials,
            standing,
            step_up,
            waiting,
            links,
            outbox,
            mail,
            base.mail_cap("mail"),
            audit,
        ),
        own_export=OwnExport(db, standing, step_up, audit, clock),
        own_erasure=OwnErasure(
            db,
            accounts,
            standing,
            step_up,
            erasure,
            mail,
            audit,
            clock,
            grace,
        ),
        admin=Administration(
            db,
            accounts,
            authority,
            passwords,
            sessions,
            base.claims,
            erasure,
            letters,
            waiting,
            audit,
            clock,
            online_within=timedelta(seconds=settings.activity_idle_gap),
        ),
        invitations=Invitations(db, authority, letters, audit),
        factor_reset=FactorReset(
            db,
            authority,
            entering.mfa.factors,
            sessions,
            frozenset(settings.require_mfa_for),
            mail,
            audit,
        ),
        unproven=Unproven(db, authority, proofs, audit),
    )
