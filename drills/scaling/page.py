"""`python -m drills.scaling.page`: writes the generated parts of docs/scaling.md from results.

What stands between `<!-- NAME -->` and `<!-- /NAME -->` is made here: from the results beside this
file, the committed results of the bench, and the assumptions of `drills.scaling.capacity`.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.harness import results
from bench.report.tables import number, table, text_table

from drills.harness.outcome import load
from drills.scaling.capacity import SCENE, USERS, Costs, Need, Use, need_of
from drills.scaling.catalogue import DRILLS
from drills.scaling.statements import SHARDS, STATEMENTS

PAGE = Path("docs/scaling.md")
RESULTS = Path("drills/scaling/results.json")

Told = Mapping[str, Mapping[str, Any]]


def main() -> int:
    PAGE.write_text(written(PAGE.read_text(), load(RESULTS)))
    return 0


def written(page: str, told: Told) -> str:
    """Return the page with its generated parts made anew.

    Raises:
        LookupError: the page has no such part.
    """
    document = results.read(results.COMMITTED / f"{SCENE}.json")
    costs = Costs.of(document, told["row-sizes"]["figures"])
    parts = {
        "runs": _runs(told),
        "notes": _notes(told),
        "shards": _shards(told),
        "costs": _costs(costs),
        "assumptions": _assumptions(Use()),
        "capacity": _capacity(costs),
        "reach": _reach(costs),
        "measured": [f"Costs: `{document.command}`, {document.at}, {_machine(document.machine)}."],
    }
    for name, lines in parts.items():
        between = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)
        body = "\n".join(["", *lines, "", ""]).replace("\\", r"\\")
        page, found = between.subn(body, page)
        if found != 1:
            raise LookupError(f"{PAGE} has {found} parts named {name}")
    return page


def _runs(told: Told) -> list[str]:
    head = ("drill", "verdict", "in flight", "acknowledged", "refused", "lost", "recovered in, s")
    rows = []
    for name in DRILLS:
        run = told.get(name)
        if run is None or run["unavailable"]:
            rows.append((f"`{name}`", "not run", *("-" for _ in head[2:])))
            continue
        recovered = run["recovered_in"]
        rows.append(
            (
                f"`{name}`",
                run["verdict"],
                str(run["in_flight"] or "-"),
                str(run["acknowledged"] or "-"),
                str(run["refused"]),
                str(len(run["lost"])),
                "-" if recovered is None else f"{recovered:.2f}",
            )
        )
    return table(head, rows)


def _notes(told: Told) -> list[str]:
    lines = []
    for name in DRILLS:
        run = told.get(name, {"did": "", "unavailable": "was not run", "notes": []})
        seen = [run["did"], *run["notes"], run["unavailable"]]
        lines.append(f"- `{name}`: {'; '.join(said for said in seen if said)}.")
    return lines


def _shards(told: Told) -> list[str]:
    met = told["sharded"]["figures"]
    rows = [
        (asked.when, f"`{name}`", _tell_shards(int(met[name])))
        for name, asked in STATEMENTS.items()
        if name in met
    ]
    return text_table(("asked by", "statement", "shards"), rows)


def _tell_shards(met: int) -> str:
    return {0: "none", 1: "**one**", SHARDS: f"all {SHARDS}"}.get(met, f"{met} of {SHARDS}")


def _costs(costs: Costs) -> list[str]:
    head = ("CPU in ms", "login", "refresh", "`GET /me`")
    kinds = ("login", "refresh", "me")
    sides = (("Keyfob", costs.server), ("PostgreSQL", costs.database))
    rows = [(side, *(number(of[kind]) for kind in kinds)) for side, of in sides]
    sizes = [(f"bytes on disk of one {name}", number(size)) for name, size in costs.row.items()]
    return [*table(head, rows), "", *table(("space", ""), sizes)]


def _assumptions(use: Use) -> list[str]:
    rows = [
        ("sign-ins of one user a day, on average over all", f"{use.logins_a_day:g}"),
        ("sign-ins in the busiest hour against the day's mean", f"{use.peak_factor:g} times"),
        ("users whose client is at work in the busiest hour", f"{use.online_at_peak:.0%}"),
        ("seconds between two refreshes of such a client", f"{use.refresh_seconds:g}"),
        ("requests answered from memory between two refreshes", f"{use.asks_a_refresh:g}"),
        ("sessions a user has in the table", f"{use.sessions_a_user:g}"),
        ("days of login log", f"{use.log_days:g}"),
        ("how busy cores may be in the busiest hour", f"{use.load_at_peak:.0%}"),
    ]
    return table(("assumed", ""), rows)


def _capacity(costs: Costs) -> list[str]:
    head = (
        "users",
        "logins/s",
        "refreshes/s",
        "`GET /me`/s",
        "cores for Keyfob",
        "of it sign-ins",
        "cores for PostgreSQL",
        "disk, GB",
    )
    return table(head, [_row(need_of(users, Use(), costs)) for users in USERS])


def _reach(costs: Costs) -> list[str]:
    one = need_of(1, Use(), costs)
    whole = one.server_cores + one.database_cores
    rows = [
        (f"one machine of {cores} cores, with everything on it", _round(cores / whole))
        for cores in (2, 8, 32)
    ]
    rows += [
        (f"one primary of {cores} cores, instances elsewhere", _round(cores / one.database_cores))
        for cores in (2, 8)
    ]
    return table(("cores suffice for", "users"), rows)


def _round(users: float) -> str:
    """Write a number of users with two digits: more would be made up."""
    return f"{float(f'{users:.1e}'):,.0f}"


def _row(need: Need) -> tuple[str, ...]:
    return (
        f"{need.users:,}",
        number(need.logins),
        number(need.refreshes),
        number(need.asks),
        number(need.server_cores),
        f"{need.hashing_share:.0%}",
        number(need.database_cores),
        number(need.disk / 1e9),
    )


def _machine(machine: Mapping[str, Any]) -> str:
    return f"{machine['cores']} cores of {machine['cpu']}, PostgreSQL {machine['postgresql']}"


if __name__ == "__main__":
    sys.exit(main())
