"""The flows of signing in."""

from dataclasses import dataclass
from datetime import timedelta

from keyfob.core.encryption import Box
from keyfob.devices.places import Places
from keyfob.limits.local import LocalRate
from keyfob.limits.models import Rule
from keyfob.login.door import Door
from keyfob.login.guarding import GuardedCodes, GuardedPasswords
from keyfob.login.notices import Notices
from keyfob.login.passkey import PasskeyLogin
from keyfob.login.pending import PendingLogins
from keyfob.login.reauthentication import Reauthentication
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
    door: Door
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
    notices = Notices(db, clock, base.outbox, mail, places)
    passwords = base.passwords.service
    guard = GuardedPasswords(db, passwords, base.limits.sign_in, log)
    codes = GuardedCodes(db, throttle, log)
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
    door = Door(
        db=db,
        sessions=sessions,
        pending=pending,
        factors=mfa.factors,
        links=base.links,
        log=log,
        notices=notices,
    )
    return Entering(
        log=log,
        notices=notices,
        guard=guard,
        pending=pending,
        mfa=mfa,
        door=door,
        login=Login(
            db=db, credentials=base.credentials, passwords=passwords, guard=guard, door=door
        ),
        second_factor=SecondFactor(
            db=db,
            factors=mfa.factors,
            passkeys=mfa.passkeys,
            pending=pending,
            codes=codes,
            door=door,
        ),
        passkey_login=PasskeyLogin(mfa.passkeys, door),
        reauthentication=Reauthentication(
            db=db,
            credentials=base.credentials,
            standing=base.standing,
            guard=guard,
            codes=codes,
            factors=mfa.factors,
            passkeys=mfa.passkeys,
            step_up=mfa.step_up,
            door=door,
        ),
    )
