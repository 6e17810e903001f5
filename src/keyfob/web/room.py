"""The room of pages for browsers."""

from urllib.parse import urlsplit

from keyfob.accounts.profiles import Profiles
from keyfob.core.database import Database
from keyfob.core.rooms import Room
from keyfob.limits.rates import RateLimits
from keyfob.login.reauthentication import Reauthentication
from keyfob.mfa.service import Factors
from keyfob.sessions.own import OwnSessions
from keyfob.sessions.service import Sessions
from keyfob.settings import Settings
from keyfob.web.account import security
from keyfob.web.account.security import Security
from keyfob.web.docs import docs_routes
from keyfob.web.doors import arrival, factor, sign_in, sign_out
from keyfob.web.doors.arrival import Arrival
from keyfob.web.engine import Brand, Engine
from keyfob.web.pages import page_routes
from keyfob.web.step_up import StepUpForm
from keyfob.web.visits import last_routes


def build(
    *,
    settings: Settings,
    db: Database,
    profiles: Profiles,
    rates: RateLimits,
    factors: Factors,
    reauthentication: Reauthentication,
    own_sessions: OwnSessions,
    sessions: Sessions,
) -> Room:
    """Build the API's documentation, the pages that links in mails open, and our own pages."""
    docs = docs_routes(settings.root_path, swagger=settings.docs, redoc=settings.redoc)
    links = page_routes(settings.root_path)
    if not settings.pages:
        return Room(routes=[docs, links])
    engine = Engine(urlsplit(settings.public_base).path.rstrip("/"), brand=Brand())
    return Room(
        services=[
            engine,
            Arrival(own_sessions=own_sessions, profiles=profiles),
            Security(factors=factors, sessions=sessions),
            StepUpForm(db=db, reauthentication=reauthentication, factors=factors, rates=rates),
        ],
        routes=[
            docs,
            links,
            engine.routes(),
            arrival.routes,
            sign_in.routes,
            factor.routes,
            sign_out.routes,
            security.routes,
            last_routes,
        ],
    )
