"""API keys: what a person gives to a program that acts for them."""

from datetime import timedelta

from keyfob.api_keys import routes
from keyfob.api_keys.introspection import KeyIntrospector
from keyfob.api_keys.service import ApiKeys, OwnKeys
from keyfob.audit.service import Audit
from keyfob.authority.models import KEY_PREFIX, KeyAuthenticator
from keyfob.authority.roles import Roles
from keyfob.clients.resources import Resources
from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.encryption import SecretKeyring
from keyfob.core.machine_secrets import MachineSecrets
from keyfob.core.rooms import Chore, Room
from keyfob.limits.rates import RateLimits
from keyfob.mail.service import Mail
from keyfob.mfa.changes import FactorChanges
from keyfob.mfa.stepup import FactorStepUp
from keyfob.sessions.revocations import Revocations
from keyfob.sessions.service import Sessions
from keyfob.sessions.standing import Standing
from keyfob.settings import Settings


def build(
    *,
    settings: Settings,
    db: Database,
    clock: Clock,
    secrets: SecretKeyring,
    resources: Resources,
    sessions: Sessions,
    revocations: Revocations,
    standing: Standing,
    roles: Roles,
    rates: RateLimits,
    step_up: FactorStepUp,
    factor_changes: FactorChanges,
    audit: Audit,
    mail: Mail,
) -> Room:
    """Build what makes API keys, and what believes them."""
    keys = ApiKeys(
        db=db,
        clock=clock,
        secrets=MachineSecrets(secrets.derive("api keys"), KEY_PREFIX),
        revocations=revocations,
        standing=standing,
        roles=roles,
        rates=rates,
        factor_roles=settings.require_mfa_for,
    )
    sessions.on_end_all.append(keys.end_with_sessions)
    factor_changes.on_first.append(keys.end_made_without_factor)
    own = OwnKeys(
        db=db,
        keys=keys,
        resources=resources,
        standing=standing,
        step_up=step_up,
        audit=audit,
        mail=mail,
        clock=clock,
        longest=timedelta(days=settings.api_key_max_days),
    )
    introspector = KeyIntrospector(db=db, keys=keys, resources=resources, audit=audit)
    return Room(
        services=[keys, own, introspector],
        ports={KeyAuthenticator: keys},
        routes=[routes.routes],
        chores=[
            Chore("uses of API keys", 10, keys.write_uses),
            Chore("old API keys", 3600, keys.clean_up),
        ],
        last=keys.write_uses,
    )
