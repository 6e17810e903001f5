"""The room of second factors and passkeys."""

from datetime import timedelta
from urllib.parse import urlsplit

from keyfob.audit.service import Audit
from keyfob.authority.models import StepUp
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.encryption import Box, SecretKeyring
from keyfob.core.rooms import Chore, Room
from keyfob.limits.service import FactorThrottle
from keyfob.mail.service import Mail
from keyfob.mfa import routes
from keyfob.mfa.changes import FactorChanges
from keyfob.mfa.enrolment import TotpEnrolment
from keyfob.mfa.passkeys import routes as passkey_routes
from keyfob.mfa.passkeys.challenges import Challenges
from keyfob.mfa.passkeys.enrolment import PasskeyEnrolment
from keyfob.mfa.passkeys.relying_party import build_relying_party
from keyfob.mfa.passkeys.service import Passkeys
from keyfob.mfa.service import Factors
from keyfob.mfa.stepup import FactorStepUp
from keyfob.sessions.claims import SessionClaims
from keyfob.sessions.standing import Standing
from keyfob.settings import Settings


def build(
    *,
    settings: Settings,
    db: Database,
    clock: Clock,
    secrets: SecretKeyring,
    claims: SessionClaims,
    standing: Standing,
    audit: Audit,
    mail: Mail,
    throttle: FactorThrottle,
) -> Room:
    """Build the services for factors, for passkeys, and for the check of recent sign-ins.

    Raises:
        WrongSetting: the settings name no valid owner of passkeys.
    """
    party = build_relying_party(settings)
    factors = Factors(db=db, box=Box(secrets.derive("factors")), clock=clock, mail=mail)
    recent = timedelta(seconds=settings.recent_sign_in)
    step_up = FactorStepUp(db=db, factors=factors, standing=standing, clock=clock, recent=recent)
    changes = FactorChanges(
        db=db,
        claims=claims,
        audit=audit,
        mail=mail,
        clock=clock,
        step_up=step_up,
        roles=frozenset(settings.require_mfa_for),
    )
    enrolment = TotpEnrolment(
        db=db,
        factors=factors,
        changes=changes,
        throttle=throttle,
        clock=clock,
        issuer=_issuer(settings),
    )
    challenges = Challenges(db=db, clock=clock)
    passkey_enrolment = PasskeyEnrolment(
        db=db, party=party, challenges=challenges, changes=changes, clock=clock
    )
    passkeys = Passkeys(db=db, party=party, challenges=challenges, audit=audit, clock=clock)
    return Room(
        services=[
            *(factors, step_up, changes, enrolment),
            *(party, challenges, passkeys, passkey_enrolment),
        ],
        ports={StepUp: step_up},
        routes=[routes.routes, passkey_routes.routes, passkey_routes.service_routes],
        chores=[
            Chore("unconfirmed factors", 600, enrolment.clean_up),
            Chore("old challenges", 600, challenges.clean_up),
        ],
    )


def _issuer(settings: Settings) -> str:
    """Return the name that authenticator apps show; a host is spelled as in the settings."""
    host = urlsplit(settings.public_url or settings.issuer_url).hostname
    return settings.totp_issuer or host or "Keyfob"
