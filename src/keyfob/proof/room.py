"""The room of the proof of addresses."""

from keyfob.accounts.credentials import Credentials
from keyfob.audit.service import Audit
from keyfob.core.database import Database
from keyfob.core.rooms import Chore, Room
from keyfob.login_log.service import LoginLog
from keyfob.mfa.passkeys.challenges import Challenges
from keyfob.mfa.service import Factors
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.proof.service import Proofs
from keyfob.proof.sign_ups import WaitingSignUps
from keyfob.sessions.service import Sessions


def build(
    *,
    db: Database,
    credentials: Credentials,
    sessions: Sessions,
    links: OneTimeTokens,
    factors: Factors,
    challenges: Challenges,
    log: LoginLog,
    audit: Audit,
) -> Room:
    """Build the services that prove addresses, and that remove sign-ups which nobody proves."""
    waiting = WaitingSignUps(db=db, credentials=credentials, log=log, audit=audit)
    proofs = Proofs(
        credentials=credentials,
        sessions=sessions,
        links=links,
        factors=factors,
        challenges=challenges,
    )
    return Room(
        services=[proofs, waiting],
        chores=[Chore("old sign-ups", 3600, waiting.remove_abandoned)],
    )
