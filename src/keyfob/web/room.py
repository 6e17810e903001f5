"""The room of pages for browsers."""

from urllib.parse import urlsplit

from keyfob.accounts.credentials import Credentials
from keyfob.accounts.profiles import Profiles
from keyfob.administration.bulk import Bulk
from keyfob.administration.service import Administration
from keyfob.administration.undoing import Undoing
from keyfob.api_keys.service import ApiKeys
from keyfob.audit.service import Audit
from keyfob.authority.roles import Roles
from keyfob.core.database import Database
from keyfob.core.pagination import Cursors
from keyfob.core.rooms import Room, Router
from keyfob.devices.places import Places
from keyfob.health.state import Watch
from keyfob.limits.rates import RateLimits
from keyfob.login.reauthentication import Reauthentication
from keyfob.login.second_factor import SecondFactor
from keyfob.login.service import Login
from keyfob.login_log.service import LoginLog
from keyfob.mfa.service import Factors
from keyfob.oauth.app_access import AppAccess
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.outbox.service import Outbox
from keyfob.own_account.email import OwnEmail
from keyfob.recovery.service import Recovery
from keyfob.sessions.browser import BrowserSessions
from keyfob.sessions.own import OwnSessions
from keyfob.sessions.service import Sessions
from keyfob.settings import Settings
from keyfob.tokens.keyring import Keyring
from keyfob.web import help as help_page
from keyfob.web.account import activity, apps, data, keys, profile, security
from keyfob.web.account.activity import OwnActivity
from keyfob.web.account.security import Security
from keyfob.web.account.timeline import OwnTimeline
from keyfob.web.brand import brand_of
from keyfob.web.console import (
    client_rules,
    clients,
    many,
    new_client,
    overview,
    records,
    resources,
    roles,
    service,
    undo,
    user,
    users,
)
from keyfob.web.console.undo import Undos
from keyfob.web.console.user import Users
from keyfob.web.console.users import UserList
from keyfob.web.docs import docs_routes
from keyfob.web.doors import (
    arrival,
    factor,
    links,
    new_address,
    register,
    sign_in,
    sign_out,
    verification,
)
from keyfob.web.doors.arrival import Arrival
from keyfob.web.doors.links import Choice, Links
from keyfob.web.doors.new_address import AddressChange
from keyfob.web.engine import Engine
from keyfob.web.provider import authorize, device, logout
from keyfob.web.step_up import StepUpForm
from keyfob.web.visits import last_routes


def build(
    *,
    settings: Settings,
    db: Database,
    administration: Administration,
    bulk: Bulk,
    undoing: Undoing,
    log: LoginLog,
    audit: Audit,
    roles: Roles,
    profiles: Profiles,
    credentials: Credentials,
    rates: RateLimits,
    login: Login,
    factors: Factors,
    second_factor: SecondFactor,
    reauthentication: Reauthentication,
    one_time_tokens: OneTimeTokens,
    recovery: Recovery,
    own_email: OwnEmail,
    own_sessions: OwnSessions,
    sessions: Sessions,
    app_access: AppAccess,
    browsers: BrowserSessions,
    places: Places,
    api_keys: ApiKeys,
    cursors: Cursors,
    watch: Watch,
    keyring: Keyring,
    outbox: Outbox,
) -> Room:
    """Build the API's documentation, the pages that links in mails open, and our own pages."""
    root = urlsplit(settings.public_base).path.rstrip("/")
    engine = Engine(
        root,
        brand=brand_of(settings, root),
        signs_in=settings.pages,
        further=settings.page_templates,
    )
    undos = Undos(administration=administration, undoing=undoing)
    arriving = Arrival(browsers=browsers, own_sessions=own_sessions, profiles=profiles)
    return Room(
        services=[
            engine,
            arriving,
            AddressChange(
                own=own_email,
                browsers=browsers,
                login=login,
                second_factor=second_factor,
                arrival=arriving,
            ),
            Choice(recovery=recovery, login=login, arrival=arriving, signs_in=settings.pages),
            Links(db=db, links=one_time_tokens, credentials=credentials),
            Users(
                administration=administration,
                factors=factors,
                apps=app_access,
                roles=roles,
                bulk=bulk,
                undos=undos,
                log=log,
                audit=audit,
            ),
            OwnActivity(
                sessions=sessions,
                timeline=OwnTimeline(log=log, audit=audit, places=places),
                factors=factors,
                keys=api_keys,
                apps=app_access,
            ),
            Security(factors=factors, sessions=sessions),
            service.Parts(watch=watch, keyring=keyring, outbox=outbox, settings=settings),
            UserList(administration=administration, cursors=cursors, undos=undos),
            StepUpForm(db=db, reauthentication=reauthentication, factors=factors, rates=rates),
        ],
        routes=[
            docs_routes(settings.root_path, swagger=settings.docs, redoc=settings.redoc),
            engine.routes(),
            links.routes,
            verification.routes,
            new_address.routes,
            *(_OURS if settings.pages else []),
            last_routes,
        ],
    )


# With a session in a cookie.
_OURS: list[Router] = [
    arrival.routes,
    sign_in.routes,
    authorize.routes,
    logout.routes,
    device.routes,
    links.sign_in_routes,
    factor.routes,
    register.routes,
    sign_out.routes,
    security.routes,
    profile.routes,
    activity.routes,
    data.routes,
    keys.routes,
    apps.routes,
    help_page.routes,
    overview.routes,
    records.routes,
    service.routes,
    user.routes,
    clients.routes,
    client_rules.routes,
    new_client.routes,
    resources.routes,
    roles.routes,
    users.routes,
    many.routes,
    undo.routes,
]
