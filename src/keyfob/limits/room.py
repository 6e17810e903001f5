"""The room of limits: request rates, throttles, and caps of mails."""

from keyfob.core.clock import Clock
from keyfob.core.database import Database
from keyfob.core.rooms import Chore, Room
from keyfob.limits.local import LocalFailures, LocalRate
from keyfob.limits.mail_caps import MailCaps
from keyfob.limits.models import Rule
from keyfob.limits.rates import OF_APPS, ROUTES, SHARED, RateLimits
from keyfob.limits.service import FactorThrottle, Limits, SignInThrottle
from keyfob.limits.store import PostgresStore, Store
from keyfob.settings import LimitSettings, Settings, WrongSetting


def build(*, settings: Settings, db: Database, clock: Clock) -> Room:
    """Build the limits that the settings ask for, without connecting yet.

    Raises:
        WrongSetting: the URL of the store cannot be used.
    """
    limits = build_limits(settings, db, clock)
    return Room(
        services=[
            limits,
            limits.rates,
            limits.sign_in,
            limits.factor,
            MailCaps(settings, limits.store),
        ],
        ports={Store: limits.store},
        chores=[Chore("old attempts", 60, limits.clean_up)],
        close=limits.close,
    )


def build_limits(settings: LimitSettings, db: Database, clock: Clock) -> Limits:
    """Build the limits that the settings ask for, without connecting yet.

    Raises:
        WrongSetting: the URL of the store cannot be used.
    """
    return build_limits_over(_store(settings, db, clock), settings, clock)


def build_limits_over(store: Store, settings: LimitSettings, clock: Clock) -> Limits:
    """Build the limits over an existing store."""

    def rule(name: str) -> Rule:
        if settings.limits == "off":
            return Rule(name)
        return Rule.parse(name, getattr(settings, f"limit_{name.replace('-', '_')}"))

    return Limits(
        rates=RateLimits({name: rule(name) for name in (*ROUTES, SHARED, OF_APPS)}, store, clock),
        sign_in=SignInThrottle(rule("login-pair"), rule("login-account"), store, clock),
        factor=FactorThrottle(rule("factor"), store, clock),
        refresh=LocalRate(rule("refresh"), clock),
        client=LocalRate(rule("client"), clock),
        client_failures=LocalFailures(rule("client-failures"), clock),
        revoke=LocalRate(rule("revoke"), clock),
        push=LocalRate(rule("push"), clock),
        proof=LocalRate(rule("proof"), clock),
        store=store,
    )


def _store(settings: LimitSettings, db: Database, clock: Clock) -> Store:
    if settings.limit_store is None:
        return PostgresStore(db, clock)
    from keyfob.limits.redis_store import RedisStore  # noqa: PLC0415 - 6 MB, for a few

    try:
        return RedisStore(settings.limit_store.get_secret_value(), clock)
    except ValueError:
        raise WrongSetting(
            "KEYFOB_LIMIT_STORE: should be a redis:// or valkey:// URL, with rediss:// for TLS"
        ) from None  # the message of the cause would contain the URL's password
