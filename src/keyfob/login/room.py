"""The room of sign-ins."""

from keyfob.accounts.credentials import Credentials
from keyfob.core.clock import Clock
from keyfob.core.database import Database, Tx
from keyfob.core.rooms import Chore, Room
from keyfob.devices.places import Places
from keyfob.limits.service import FactorThrottle, SignInThrottle
from keyfob.login import factor_routes, passkey_routes, routes
from keyfob.login.door import Door
from keyfob.login.guarding import GuardedCodes, GuardedPasswords
from keyfob.login.notices import Notices
from keyfob.login.passkey import PasskeyLogin
from keyfob.login.pending import PendingLogins
from keyfob.login.reauthentication import Reauthentication
from keyfob.login.second_factor import SecondFactor
from keyfob.login.service import Login
from keyfob.login_log.service import LoginLog
from keyfob.mail.service import Mail
from keyfob.mfa.passkeys.service import Passkeys
from keyfob.mfa.service import Factors
from keyfob.mfa.stepup import FactorStepUp
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.outbox.service import Outbox
from keyfob.passwords.service import Passwords
from keyfob.sessions.models import Ending
from keyfob.sessions.service import Sessions
from keyfob.sessions.standing import Standing


def build(
    *,
    db: Database,
    clock: Clock,
    credentials: Credentials,
    passwords: Passwords,
    sign_in: SignInThrottle,
    factor: FactorThrottle,
    sessions: Sessions,
    standing: Standing,
    log: LoginLog,
    links: OneTimeTokens,
    outbox: Outbox,
    mail: Mail,
    places: Places,
    factors: Factors,
    passkeys: Passkeys,
    step_up: FactorStepUp,
) -> Room:
    """Build the services for signing in, and for re-authentication."""
    notices = Notices(db=db, clock=clock, outbox=outbox, mail=mail, places=places)
    guard = GuardedPasswords(db=db, passwords=passwords, throttle=sign_in, log=log)
    codes = GuardedCodes(db=db, throttle=factor, log=log)
    pending = PendingLogins(db=db, clock=clock, log=log)

    async def kill_pending(tx: Tx, ending: Ending) -> None:
        await pending.kill(tx, ending.user_id)

    sessions.on_end_all.append(kill_pending)
    door = Door(
        db=db,
        sessions=sessions,
        pending=pending,
        factors=factors,
        links=links,
        log=log,
        notices=notices,
    )
    login = Login(db=db, credentials=credentials, passwords=passwords, guard=guard, door=door)
    second_factor = SecondFactor(
        db=db, factors=factors, passkeys=passkeys, pending=pending, codes=codes, door=door
    )
    reauthentication = Reauthentication(
        db=db,
        credentials=credentials,
        standing=standing,
        guard=guard,
        codes=codes,
        factors=factors,
        passkeys=passkeys,
        step_up=step_up,
        door=door,
    )
    passkey_login = PasskeyLogin(passkeys=passkeys, door=door)
    return Room(
        services=[guard, pending, door, login, second_factor, passkey_login, reauthentication],
        routes=[routes.routes, factor_routes.routes, passkey_routes.routes],
        jobs={Notices.KIND: notices.send},
        chores=[Chore("pending logins", 600, pending.clean_up)],
    )
