"""The room of OAuth 2 for programs."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from keyfob.accounts.service import Accounts
from keyfob.administration.authority import Authority
from keyfob.administration.clients import ClientAdministration
from keyfob.api_keys.introspection import KeyIntrospector
from keyfob.audit.service import Audit
from keyfob.authority.models import KEY_PREFIX, ProofChecker
from keyfob.authority.roles import Roles
from keyfob.clients.models import AuthMethod
from keyfob.clients.registration_tokens import RegistrationTokens
from keyfob.clients.resources import Resources
from keyfob.clients.self_registration import SelfRegistered
from keyfob.clients.service import Clients
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.encryption import SecretKeyring
from keyfob.core.outbound import Outbound
from keyfob.core.rooms import Chore, Room
from keyfob.devices.places import Places
from keyfob.limits.service import Limits
from keyfob.mail.service import Mail
from keyfob.mfa.stepup import FactorStepUp
from keyfob.oauth import (
    app_access_routes,
    device_routes,
    registration_routes,
    routes,
    userinfo_routes,
)
from keyfob.oauth.access_tokens import AccessIntrospector
from keyfob.oauth.app_access import AppAccess
from keyfob.oauth.app_tokens import AppTokens
from keyfob.oauth.asking import Asking
from keyfob.oauth.authentication import ClientAuthentication, NoProof, SecretProof
from keyfob.oauth.authorization import Authorization
from keyfob.oauth.claims import PersonClaims
from keyfob.oauth.client_assertions import AssertionProof
from keyfob.oauth.client_documents import ClientDocuments
from keyfob.oauth.client_keys import ClientKeys
from keyfob.oauth.device import Devices
from keyfob.oauth.dpop.nonces import Nonces
from keyfob.oauth.dpop.service import Proofs
from keyfob.oauth.grants.authorization_code import AuthorizationCode
from keyfob.oauth.grants.client_credentials import ClientCredentials
from keyfob.oauth.grants.device_code import DeviceCode
from keyfob.oauth.grants.refresh_token import RefreshTokenGrant
from keyfob.oauth.grants.token_exchange import TokenExchange
from keyfob.oauth.logout import Logout
from keyfob.oauth.logout_notices import KIND as LOGOUT
from keyfob.oauth.logout_notices import LogoutNotices
from keyfob.oauth.metadata import Takes, describe
from keyfob.oauth.models import GrantHandler
from keyfob.oauth.pushed_requests import PushedRequests
from keyfob.oauth.receivers import Receivers
from keyfob.oauth.refresh_tokens import RefreshIntrospector
from keyfob.oauth.registration import DynamicRegistration
from keyfob.oauth.request_objects import RequestObjects
from keyfob.oauth.shown_tokens import ShownTokens
from keyfob.oauth.targets import Targets
from keyfob.oauth.token_endpoint import TokenEndpoint
from keyfob.oauth.userinfo import UserInfo
from keyfob.outbox.service import Outbox
from keyfob.sessions.grants import Grants
from keyfob.sessions.refresh import Refresh
from keyfob.sessions.refresh_tokens import PREFIX as REFRESH_PREFIX
from keyfob.sessions.revocations import Revocations
from keyfob.sessions.service import Sessions
from keyfob.sessions.standing import Standing
from keyfob.settings import Settings
from keyfob.tokens.access import AccessTokens
from keyfob.tokens.id_tokens import IdTokens
from keyfob.tokens.keyring import Keyring
from keyfob.tokens.logout_tokens import LogoutTokens


def build(
    *,
    settings: Settings,
    db: Database,
    secrets: SecretKeyring,
    clock: Clock,
    audit: Audit,
    limits: Limits,
    keyring: Keyring,
    tokens: AccessTokens,
    sessions: Sessions,
    refresh: Refresh,
    revocations: Revocations,
    roles: Roles,
    clients: Clients,
    resources: Resources,
    of_keys: KeyIntrospector,
    of_apps: Grants,
    id_tokens: IdTokens,
    accounts: Accounts,
    standing: Standing,
    authority: Authority,
    of_clients: ClientAdministration,
    outbound: Outbound,
    outbox: Outbox,
    logout_tokens: LogoutTokens,
    step_up: FactorStepUp,
    self_registered: SelfRegistered,
    initial_tokens: RegistrationTokens,
    mail: Mail,
    places: Places,
) -> Room:
    """Build the services that authenticate clients, and issue, describe and revoke tokens."""
    of_strangers = Outbound(
        allow=_own_machine(settings.issuer_url), ca_file=settings.outbound_ca_file
    )
    by_secret = SecretProof(clients)
    by_key = AssertionProof(
        db=db,
        clock=clock,
        clients=clients,
        keys=ClientKeys(outbound=outbound, of_strangers=of_strangers, clock=clock),
        calls=limits.client,
        issuer=settings.issuer_url,
    )
    authentication = ClientAuthentication(
        proofs={
            AuthMethod.BASIC: by_secret,
            AuthMethod.POST: by_secret,
            AuthMethod.PRIVATE_KEY_JWT: by_key,
            AuthMethod.NONE: NoProof(clients),
        },
        failures=limits.client_failures,
        calls=limits.client,
    )
    proofs = Proofs(
        db=db,
        clock=clock,
        nonces=Nonces(ring=secrets.derive("nonces of proofs"), clock=clock),
        issuer=settings.issuer_url,
        shows=limits.proof,
    )
    targets = Targets(resources=resources, roles=roles)
    exchange = TokenExchange(
        db=db,
        targets=targets,
        tokens=tokens,
        keys=of_keys.keys,
        roles=roles,
        revocations=revocations,
        clock=clock,
        factor_roles=frozenset(settings.require_mfa_for),
    )
    claims = PersonClaims(accounts=accounts)
    at_userinfo = f"{settings.issuer_url.rstrip('/')}/oauth2/userinfo"
    app_tokens = AppTokens(
        grants=of_apps, id_tokens=id_tokens, claims=claims, targets=targets, userinfo=at_userinfo
    )
    notices = LogoutNotices(
        db=db,
        clock=clock,
        clients=clients,
        outbox=outbox,
        # With connections of its own: apps that do not answer would hold up keys and documents.
        outbound=outbound.apart(of_one=8),  # as many as the outbox begins at once
        tokens=logout_tokens,
        receivers=Receivers(clock=clock),
    )
    sessions.on_end.append(notices.end)
    grants: list[GrantHandler] = [
        ClientCredentials(targets=targets, tokens=tokens),
        exchange,
        AuthorizationCode(db=db, clock=clock, grants=of_apps, tokens=app_tokens, notices=notices),
        RefreshTokenGrant(grants=of_apps, tokens=app_tokens),
        DeviceCode(db=db, clock=clock, grants=of_apps, tokens=app_tokens, notices=notices),
    ]
    documents = ClientDocuments(
        db=db,
        clock=clock,
        clients=clients,
        self_registered=self_registered,
        outbound=of_strangers,
        hosts=self_registered.hosts,
        rates=limits.rates,
    )
    app_access = AppAccess(
        db=db, clients=clients, grants=of_apps, standing=standing, authority=authority
    )
    authorization = Authorization(
        db=db,
        clock=clock,
        asking=Asking(
            clients=clients,
            targets=targets,
            id_tokens=id_tokens,
            documents=documents,
            objects=RequestObjects(keys=by_key.keys, clock=clock, issuer=settings.issuer_url),
            require_par=settings.require_par,
        ),
        standing=standing,
        step_up=step_up,
        audit=audit,
        app_access=app_access,
        issuer=settings.issuer_url,
    )
    logout = Logout(db=db, clock=clock, clients=clients, id_tokens=id_tokens)
    devices = Devices(
        db=db,
        clock=clock,
        authentication=authentication,
        clients=clients,
        targets=targets,
        rates=limits.rates,
        standing=standing,
        step_up=step_up,
        audit=audit,
        mail=mail,
        places=places,
        page=f"{settings.public_base.rstrip('/')}/ui/device",
    )
    pushed = PushedRequests(
        authentication=authentication,
        authorization=authorization,
        proofs=proofs,
        rate=limits.push,
        by_address=limits.rates,
    )
    sessions.on_end_all.append(app_access.forget_with_sessions)
    of_clients.on_end.append(app_access.forget_of_client)
    endpoint = TokenEndpoint(
        authentication=authentication,
        proofs=proofs,
        grants={handler.grant: handler for handler in grants},
    )
    access = AccessIntrospector(
        db=db,
        clock=clock,
        tokens=tokens,
        revocations=revocations,
        roles=roles,
        factor_roles=frozenset(settings.require_mfa_for),
        most=settings.token_cache_size,
    )
    keyring.on_change.append(access.forget)
    of_sessions = RefreshIntrospector(
        db=db, refresh=refresh, sessions=sessions, access=tokens, audit=audit
    )
    shown = ShownTokens(
        authentication=authentication,
        access=access,
        by_prefix={REFRESH_PREFIX: of_sessions, KEY_PREFIX: of_keys},
        revocations=limits.revoke,
        grants=of_apps,
    )
    userinfo = UserInfo(access=access, claims=claims, address=at_userinfo, proofs=proofs)
    registration = DynamicRegistration(
        db=db,
        clock=clock,
        clients=clients,
        self_registered=self_registered,
        tokens=initial_tokens,
        audit=audit,
        id_tokens=id_tokens,
        mode=settings.dynamic_registration if settings.pages else "off",
    )
    metadata = describe(
        resources.own,
        authentication.proofs,
        [handler.grant for handler in grants],
        signs_in=settings.pages,
        takes=Takes(
            registrations=registration.is_on,
            documents=documents.hosts.is_on,
            pushed_alone=settings.require_par,
        ),
    )

    async def close() -> None:
        await documents.close()
        await by_key.keys.close()
        await notices.outbound.close()
        await of_strangers.close()

    return Room(
        services=[
            *(authentication, endpoint, shown, metadata, authorization, logout, userinfo),
            *(app_access, notices, devices, registration, pushed, proofs),
        ],
        ports={ProofChecker: proofs},
        routes=[
            *(routes.routes, registration_routes.routes, routes.public, userinfo_routes.routes),
            app_access_routes.routes,
            *([device_routes.routes] if settings.pages else []),
        ],
        chores=[
            Chore("spent ids", 600, by_key.clean_up),
            Chore("spent proofs", 60, proofs.clean_up),
            Chore("requests of apps", 60, authorization.clean_up),
            Chore("requests of devices", 60, devices.clean_up),
            Chore("asked sign-outs", 60, logout.clean_up),
            Chore("expired sign-ins to apps", 60, notices.end_expired),
        ],
        jobs={LOGOUT: notices.deliver},
        close=close,
    )


def _own_machine(issuer: str) -> Sequence[str]:
    """Return the private addresses that clients may name that nobody here has registered.

    None, but for those of this machine where the service itself is at one of them, for development
    (draft-ietf-oauth-client-id-metadata-document section 6.5).
    """
    is_here = urlsplit(issuer).hostname in {"localhost", "127.0.0.1", "::1"}
    return ("127.0.0.0/8", "::1") if is_here else ()
