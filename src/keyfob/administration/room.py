"""The room of the administration of accounts."""

from datetime import timedelta

from keyfob.accounts.service import Accounts
from keyfob.administration.apps import AppStanding
from keyfob.administration.authority import Authority
from keyfob.administration.bulk import Bulk
from keyfob.administration.clients import GRANTS_OF_CLIENT, ClientAdministration
from keyfob.administration.exports import UserExport
from keyfob.administration.factors import FactorReset
from keyfob.administration.invitations import Invitations
from keyfob.administration.letters import Letters
from keyfob.administration.places import Places
from keyfob.administration.resources import ResourceAdministration
from keyfob.administration.roles import RoleAdministration
from keyfob.administration.service import Administration
from keyfob.administration.undoing import Undoing
from keyfob.administration.unproven import Unproven
from keyfob.administration.upkeep import Upkeep
from keyfob.api_keys.service import ApiKeys
from keyfob.audit.service import Audit
from keyfob.authority.models import ApiKey, App, Client, ProgramStanding, Subject
from keyfob.authority.roles import Roles
from keyfob.clients.resources import Resources
from keyfob.clients.service import Clients
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.outbound import Outbound
from keyfob.core.rooms import Room
from keyfob.mail.delivery import Delivery
from keyfob.mail.service import Mail
from keyfob.mfa.service import Factors
from keyfob.mfa.stepup import FactorStepUp
from keyfob.one_time_tokens.service import OneTimeTokens
from keyfob.outbox.service import Outbox
from keyfob.own_account.erasure import Erasure
from keyfob.passwords.service import Passwords
from keyfob.proof.service import Proofs
from keyfob.proof.sign_ups import WaitingSignUps
from keyfob.recovery.service import Recovery
from keyfob.registration.verification import VerificationLinks
from keyfob.sessions.claims import SessionClaims
from keyfob.sessions.grants import Grants
from keyfob.sessions.service import Sessions
from keyfob.sessions.standing import Standing
from keyfob.settings import Settings
from keyfob.tokens.id_tokens import IdTokens


def build(
    *,
    settings: Settings,
    db: Database,
    clock: Clock,
    accounts: Accounts,
    passwords: Passwords,
    sessions: Sessions,
    claims: SessionClaims,
    standing: Standing,
    step_up: FactorStepUp,
    factors: Factors,
    recovery: Recovery,
    verification: VerificationLinks,
    links: OneTimeTokens,
    erasure: Erasure,
    sign_ups: WaitingSignUps,
    proofs: Proofs,
    mail: Mail,
    outbox: Outbox,
    delivery: Delivery,
    audit: Audit,
    clients: Clients,
    api_keys: ApiKeys,
    resources: Resources,
    outbound: Outbound,
    grants: Grants,
    id_tokens: IdTokens,
    roles: Roles,
) -> Room:
    """Build the administration of accounts, for the API and the command line."""
    of_apps = AppStanding(standing=standing, clients=clients, step_up=step_up)
    programs: dict[type[Subject], ProgramStanding] = {
        Client: clients,
        ApiKey: api_keys,
        App: of_apps,
    }
    authority = Authority(standing=standing, step_up=step_up, programs=programs, audit=audit)
    asks_for_proof = settings.verify_email != "off"
    letters = Letters(
        recovery=recovery,
        verification=verification if asks_for_proof else None,
        links=links,
        mail=mail,
    )
    administration = Administration(
        db=db,
        accounts=accounts,
        authority=authority,
        passwords=passwords,
        sessions=sessions,
        claims=claims,
        erasure=erasure,
        letters=letters,
        sign_ups=sign_ups,
        clock=clock,
        online_within=timedelta(seconds=settings.activity_idle_gap),
    )
    factor_reset = FactorReset(
        db=db,
        authority=authority,
        factors=factors,
        sessions=sessions,
        roles=frozenset(settings.require_mfa_for),
        mail=mail,
    )
    invitations = Invitations(db=db, authority=authority, letters=letters)
    undoing = Undoing(administration=administration, audit=audit, clock=clock)
    bulk = Bulk(
        db=db,
        administration=administration,
        invitations=invitations,
        authority=authority,
        clock=clock,
        undoing=undoing,
        places=Places(),
    )
    of_clients = ClientAdministration(
        db=db,
        clients=clients,
        resources=resources,
        authority=authority,
        clock=clock,
        outbound=outbound,
        outbox=outbox,
        grants=grants,
        id_tokens=id_tokens,
    )
    return Room(
        stopping=bulk.stop,
        jobs={GRANTS_OF_CLIENT: of_clients.end_grants},
        services=[
            authority,
            administration,
            factor_reset,
            invitations,
            bulk,
            undoing,
            UserExport(
                db=db,
                authority=authority,
                clock=clock,
                places=Places(),
                online_within=administration.online_within,
            ),
            of_clients,
            ResourceAdministration(
                db=db,
                clients=clients,
                resources=resources,
                authority=authority,
                clock=clock,
            ),
            RoleAdministration(
                db=db,
                roles=roles,
                accounts=accounts,
                claims=claims,
                authority=authority,
                clock=clock,
            ),
            Upkeep(db=db, authority=authority, outbox=outbox, mail=mail, delivery=delivery),
            Unproven(db=db, authority=authority, proofs=proofs, clock=clock),
        ],
    )
