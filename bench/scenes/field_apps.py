"""Sign-ins to apps and userinfo in the field, beside a refresh of Keyfob.

Each app sends its user to the provider, where they are signed in and have allowed it before, and
exchanges the code that comes back. Keyfob counts all of this, as it is shipped, against limits wide
enough not to be met.
"""

import contextlib
from collections.abc import Mapping

from bench.harness import apps, cluster, entrants, figures, sides
from bench.harness.clients import refreshes
from bench.harness.entrants import Entrant
from bench.harness.load import Client
from bench.scenes.apps import WIDE
from bench.scenes.field_programs import judge, sides_of

CLIENTS = (8,)
USERINFO, CODE, BOUND = (
    "userinfo",
    "code flow",
    "code flow with PAR, DPoP and private_key_jwt",
)
ACTIONS = {"me": USERINFO, "app": CODE, "app, bound": BOUND}
REFRESH = f"{entrants.OURS}, refresh"
_OURS: Mapping[str, Client] = {
    "me": apps.asks_userinfo,
    "app": apps.signs_in_by_code,
    "app, bound": apps.signs_in_as_fapi_asks,
}
_BOUNDS = {USERINFO: 0.8, CODE: 0.08, BOUND: 0.04}  # in the rate of our own refresh


def run_on_own_cluster(report: figures.Report, rounds: int, seconds: float) -> None:
    with contextlib.ExitStack() as running:
        postgres = running.enter_context(cluster.temporary())
        ours = running.enter_context(entrants.keyfob(postgres, WIDE))
        report.sides[entrants.OURS] = {"runtime": "Python", "hashing": entrants.OUR_HASH}
        entered = [Entrant(ours.name, ours.server, _OURS)]
        for peer in entrants.peers(report):
            if "app" in peer.clients:
                entrant = running.enter_context(entrants.contestant(peer, postgres, "own", report))
                entered += [entrant] if entrant else []
        able = [sides.over_http(REFRESH, ours.server, refreshes, postgres)]
        able += [
            sides.over_http(side, entrant.server, client, postgres, expires=True)
            for entrant in entered
            for side, client in sides_of(entrant, ACTIONS)
        ]
        everybody = [running.enter_context(side) for side in able]
        sides.in_turn(report, "apps", everybody, CLIENTS, rounds, seconds)
    judge(report, REFRESH, _BOUNDS)
