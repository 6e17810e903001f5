"""The machine that so many users need, from measured costs and stated assumptions."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.harness.results import Document

# The scene whose one run gives every cost: one worker, eight clients.
SCENE = "workers"
_SIDE, _CLIENTS = "1 worker", 8

USERS = (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)


@dataclass(frozen=True)
class Use:
    """The users' behaviour. These are assumptions: put your own here.

    Args:
        logins_a_day: of one user, on average over all users.
        online_at_peak: the share of users whose client is at work in the busiest hour.
        peak_factor: the busiest hour's rate of sign-ins against the day's mean.
        refresh_seconds: between two refreshes of a client at work; the life of an access token.
        asks_a_refresh: `GET /me`, or other requests answered from memory, between two refreshes.
        sessions_a_user: rows of `sessions`, live or not yet cleaned up.
        log_days: how long the login log is kept (`KEYFOB_LOGIN_LOG_RETENTION_DAYS`).
        load_at_peak: how busy cores may be in the busiest hour.
    """

    logins_a_day: float = 0.2
    online_at_peak: float = 0.05
    peak_factor: float = 4.0
    refresh_seconds: float = 300.0
    asks_a_refresh: float = 10.0
    sessions_a_user: float = 2.0
    log_days: float = 400.0
    load_at_peak: float = 0.5


@dataclass(frozen=True)
class Costs:
    """The measured costs: CPU in ms per request, space in bytes per row."""

    server: Mapping[str, float]  # by "login", "refresh", "me"
    database: Mapping[str, float]
    row: Mapping[str, float]  # by "user", "session", "login event"

    @classmethod
    def of(cls, document: Document, row: Mapping[str, float]) -> "Costs":
        """Read the costs of the bench's results and of the drill `row-sizes`.

        Raises:
            LookupError: one was not measured.
        """
        kinds = ("login", "refresh", "me")
        return cls(
            {kind: _cost(document, kind, "server CPU") for kind in kinds},
            {kind: _cost(document, kind, "database CPU") for kind in kinds},
            row,
        )


@dataclass(frozen=True)
class Need:
    """The needs of so many users in the busiest hour."""

    users: int
    logins: float  # a second
    refreshes: float
    asks: float
    server_cores: float
    hashing_share: float  # of those
    database_cores: float
    disk: float  # bytes


def need_of(users: int, use: Use, costs: Costs) -> Need:
    """Compute what so many users need."""
    logins = users * use.logins_a_day / 86_400 * use.peak_factor
    refreshes = users * use.online_at_peak / use.refresh_seconds
    rates = {"login": logins, "refresh": refreshes, "me": refreshes * use.asks_a_refresh}
    server = {kind: rates[kind] * costs.server[kind] / 1000 for kind in rates}
    database = sum(rates[kind] * costs.database[kind] / 1000 for kind in rates)
    disk = users * (
        costs.row["user"]
        + use.sessions_a_user * costs.row["session"]
        + use.logins_a_day * use.log_days * costs.row["login event"]
    )
    return Need(
        users,
        logins,
        refreshes,
        rates["me"],
        sum(server.values()) / use.load_at_peak,
        server["login"] / sum(server.values()),
        database / use.load_at_peak,
        disk,
    )


def _cost(document: Document, kind: str, measure: str) -> float:
    for figure in document.figures:
        place = (figure.table, figure.side, figure.at, figure.measure)
        if place == (f"{kind}, {SCENE}", _SIDE, _CLIENTS, measure):
            return figure.median
    raise LookupError(f"{SCENE} has no {measure} of {kind}")
