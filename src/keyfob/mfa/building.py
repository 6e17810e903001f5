"""From the settings to the services of this room."""

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from keyfob.audit.service import Audit
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.encryption import Box
from keyfob.limits.service import FactorThrottle
from keyfob.mail.service import Mail
from keyfob.mfa.changes import FactorChanges
from keyfob.mfa.enrolment import TotpEnrolment
from keyfob.mfa.passkeys.challenges import Challenges
from keyfob.mfa.passkeys.enrolment import PasskeyEnrolment
from keyfob.mfa.passkeys.relying_party import RelyingParty, build_relying_party
from keyfob.mfa.passkeys.service import Passkeys
from keyfob.mfa.service import Factors
from keyfob.mfa.stepup import FactorStepUp
from keyfob.sessions.claims import SessionClaims
from keyfob.sessions.service import Sessions
from keyfob.sessions.standing import Standing
from keyfob.settings import Settings


@dataclass(frozen=True)
class FactorRoom:
    """What wiring hands out of this room."""

    factors: Factors
    step_up: FactorStepUp
    changes: FactorChanges
    enrolment: TotpEnrolment
    passkeys: Passkeys
    challenges: Challenges
    passkey_enrolment: PasskeyEnrolment
    party: RelyingParty


def build_factors(
    settings: Settings,
    db: Database,
    box: Box,
    clock: Clock,
    sessions: Sessions,
    audit: Audit,
    mail: Mail,
    throttle: FactorThrottle,
    *,
    claims: SessionClaims,
    standing: Standing,
) -> FactorRoom:
    """Build the services of second factors and passkeys.

    Raises:
        WrongSetting: passkeys cannot belong to what the settings name.
    """
    factors = Factors(db, box, clock, mail)
    recent = timedelta(seconds=settings.recent_sign_in)
    step_up = FactorStepUp(db, factors, standing, clock, recent)
    changes = FactorChanges(
        db, claims, audit, mail, clock, step_up, frozenset(settings.require_mfa_for)
    )
    # As the operator wrote it: people read it.
    host = urlsplit(settings.public_url or settings.issuer_url).hostname
    issuer = settings.totp_issuer or host or "Keyfob"
    enrolment = TotpEnrolment(db, factors, changes, throttle, clock, issuer)
    party = build_relying_party(settings)
    challenges = Challenges(db, clock)
    return FactorRoom(
        factors,
        step_up,
        changes,
        enrolment,
        Passkeys(db, party, challenges, audit, clock),
        challenges,
        PasskeyEnrolment(db, party, challenges, changes, clock),
        party,
    )
