"""Introspection and client credentials in the field, beside a refresh of Keyfob.

Keyfob counts all of these, as it is shipped, against limits wide enough not to be met. It issues
JWTs signed by EdDSA. The others issue what they come with, and signed ones where they can.
"""

import contextlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bench.harness import cluster, entrants, figures, sides
from bench.harness.clients import refreshes
from bench.harness.entrants import Entrant
from bench.harness.load import Client
from bench.scenes import programs

CLIENTS = (8,)
TOKENS, INTROSPECTION = "client credentials", "introspection"
ACTIONS = {"program token": TOKENS, "program introspects": INTROSPECTION}
REFRESH = f"{entrants.OURS}, refresh"
_OURS: Mapping[str, Client] = {
    "program token": programs.gets_tokens,
    "program introspects": programs.introspects,
}
_BOUNDS = {TOKENS: 0.6, INTROSPECTION: 0.8}  # in the rate of our own refresh


def run_on_own_cluster(report: figures.Report, rounds: int, seconds: float) -> None:
    asked = Asked("programs", "program token", programs.COUNTED, _OURS, ACTIONS)
    compare(report, asked, rounds, seconds)
    judge(report, _BOUNDS)


class Asked(NamedTuple):
    """What is compared.

    Args:
        table: its name in the report.
        needs: the action without which a contestant does not take part.
        settings: of Keyfob.
        ours: what Keyfob's clients do, by action.
        actions: what is done, in words, by the names that contestants have for it.
    """

    table: str
    needs: str
    settings: entrants.Settings
    ours: Mapping[str, Client]
    actions: Mapping[str, str]


def compare(report: figures.Report, asked: Asked, rounds: int, seconds: float) -> None:
    """Measure Keyfob and the contestants in turn, and beside them a refresh of Keyfob."""
    with contextlib.ExitStack() as running:
        postgres = running.enter_context(cluster.temporary())
        keyfob = running.enter_context(entrants.keyfob(postgres, asked.settings))
        report.sides[entrants.OURS] = {"runtime": "Python", "hashing": entrants.OUR_HASH}
        entered = [Entrant(keyfob.name, keyfob.server, asked.ours)]
        for peer in entrants.peers(report):
            if asked.needs in peer.clients:
                entrant = running.enter_context(entrants.contestant(peer, postgres, "own", report))
                entered += [entrant] if entrant else []
        able = [sides.over_http(REFRESH, keyfob.server, refreshes, postgres)]
        able += [
            sides.over_http(side, entrant.server, client, postgres, expires=True)
            for entrant in entered
            for side, client in sides_of(entrant, asked.actions)
        ]
        everybody = [running.enter_context(side) for side in able]
        sides.in_turn(report, asked.table, everybody, CLIENTS, rounds, seconds)


def sides_of(entrant: Entrant, actions: Mapping[str, str]) -> list[tuple[str, Client]]:
    """The sides of an entrant, each named "who, what" or "who, what, how".

    `actions`: what is compared, by the names that contestants have for it.
    """
    found = []
    for action, client in entrant.clients.items():
        done, how = (action, "") if action in actions else action.partition(", ")[::2]
        if done in actions:
            found.append((", ".join(filter(None, (entrant.name, actions[done], how))), client))
    return found


def judge(report: figures.Report, bounds: Mapping[str, float]) -> None:
    """Say how ours does beside our refresh, and beside everybody who does the same.

    `bounds`: for each thing that is done, the least in the rate of our own refresh.
    """
    rates = {figure.side: figure.values for figure in report.figures if figure.measure == "rate"}
    for action, bound in bounds.items():
        ours = rates.get(f"{entrants.OURS}, {action}")
        if ours is None:
            continue
        for side, values in rates.items():
            if side == REFRESH:
                name, least = f"{action} / refresh, rate", bound
            elif f", {action}, " in f"{side}, " and not side.startswith(entrants.OURS):
                name, least = f"{action} / {side}, rate", 1.0
            else:
                continue
            seen = f"{_spread(ours)}/s, the other {_spread(values)}"
            report.add(name, figures.ratios(ours, values), least, seen, at_most=False)


def _spread(values: Sequence[float]) -> str:
    return f"{min(values):.0f} to {max(values):.0f}"
