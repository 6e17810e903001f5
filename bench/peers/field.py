"""The contestants, found by the names of their folders."""

import importlib
from pathlib import Path

from bench.peers.contestant import Contestant


def names() -> list[str]:
    """The folders that hold a contestant, in order."""
    return sorted(path.parent.name for path in Path(__file__).parent.glob("*/contestant.py"))


def load(name: str) -> Contestant:
    """Import one contestant; that installs and starts nothing."""
    module = importlib.import_module(f"bench.peers.{name}.contestant")
    contestant: Contestant = module.CONTESTANT
    return contestant
