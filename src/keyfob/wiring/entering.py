"""The flows of signing in."""

from dataclasses import dataclass
from datetime import timedelta

from keyfob.core.encryption import Box
from keyfob.devices.places import Places
from keyfob.limits.local import LocalRate
from keyfob.limits.models import Rule
from keyfob.login.guarding import GuardedCodes, GuardedPasswords
from keyfob.login.notices import Notices
from keyfob.login.passkey import PasskeyLogin
from keyfob.login.pending import PendingLogins
from keyfob.login.reauthentication import Reauthentication
from keyfob.login.refusing import Refusals
from keyfob.login.second_factor import SecondFactor
from keyfob.login.service import Login
from keyfob.login_log.service import LoginLog
from keyfob.mfa.building import FactorRoom, build_factors
from keyfob.wiring.foundations import Foundations


@dataclass(frozen=True)
class Entering:
    """How users come in: sign-in, its second step, passkeys, proving it once more."""

    log: LoginLog
    notices: Notices
    guard: GuardedPasswords
    pending: PendingLogins
    mfa: FactorRoom
    login: Login
    second_factor: SecondFactor
    passkey_login: PasskeyLogin
    reauthentication: Reauthentication


def build_entering(base: Foundations) -> Entering:
    """Build the flows of signing in.

    Raises:
        WrongSetting: a value cannot be used.
    """
    settings, db, clock, mail = base.settings, base.db, base.clock, base.mail
    sessions, throttle = base.sessions, base.limits.factor
    throttled_rate = LocalRate(Rule.parse("throttled-log", "1/minute"), clock)
    kept = timedelta(days=settings.login_log_retention_days)
    log = LoginLog(db, clock, kept, throttled_rate)
    places = Places.of_file(settings.geoip_database)
    notices = Notices(db, log, base.outbox, mail, places)
    passwords = base.passwords.service
    guard = GuardedPasswords(db, passwords, base.limits.sign_in, log)
    codes = GuardedCodes(db, throttle, log)
    refusals = Refusals(db, base.links, log)
    pending = PendingLogins(db, clock, log)
    sessions.on_end.append(log.ended)
    sessions.on_end_all.append(pending.kill)

    box = Box(base.secrets.derive("factors"))
    mfa = build_factors(
        settings,
        db,
        box,
        clock,
        sessions,
        base.audit,
        mail,
        throttle,
        standing=base.standing,
        claims=base.claims,
    )
    second_factor = SecondFactor(
        db,
        base.credentials,
        mfa.factors,
        mfa.passkeys,
        pending,
        sessions,
        codes,
        log,
        notices,
        refusals,
    )
    return Entering(
        log=log,
        notices=notices,
        guard=guard,
        pending=pending,
        mfa=mfa,
        login=Login(
            db, base.credentials, passwords, sessions, guard, log, notices, refusals, second_factor
        ),
        second_factor=second_factor,
        passkey_login=PasskeyLogin(
            db, mfa.challenges, mfa.passkeys, sessions, log, notices, refusals
        ),
        reauthentication=Reauthentication(
            db,
            base.credentials,
            base.standing,
            guard,
            codes,
            mfa.factors,
            mfa.passkeys,
            mfa.challenges,
            mfa.step_up,
            sessions,
            log,
            notices,
        ),
    )
