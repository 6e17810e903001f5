"""Sign-ins to apps and userinfo in the field, beside a refresh of Keyfob.

Each app sends its user to the provider, where they are signed in and have allowed it before, and
exchanges the code that comes back. Keyfob counts all of this, as it is shipped, against limits wide
enough not to be met.
"""

from collections.abc import Mapping

from bench.harness import apps, figures
from bench.harness.load import Client
from bench.scenes.apps import WIDE
from bench.scenes.field_programs import Asked, compare, judge

USERINFO, CODE, BOUND = (
    "userinfo",
    "code flow",
    "code flow with PAR, DPoP and private_key_jwt",
)
ACTIONS = {"me": USERINFO, "app": CODE, "app, bound": BOUND}
_OURS: Mapping[str, Client] = {
    "me": apps.asks_userinfo,
    "app": apps.signs_in_by_code,
    "app, bound": apps.signs_in_as_fapi_asks,
}
_BOUNDS = {USERINFO: 0.8, CODE: 0.08, BOUND: 0.04}  # in the rate of our own refresh


def run_on_own_cluster(report: figures.Report, rounds: int, seconds: float) -> None:
    compare(report, Asked("apps", "app", WIDE, _OURS, ACTIONS), rounds, seconds)
    judge(report, _BOUNDS)
