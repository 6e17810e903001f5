"""Imported first by whatever serves: keeps out of the process what is loaded in case it is there.

structlog loads rich, and rich loads pygments, in case a traceback should be drawn on a terminal;
Typer needs it, so it is installed. ua-parser loads PyYAML in case its rules should come as YAML;
other tools bring it. structlog looks for greenlet, which migrations bring, and ua-parser for its
compiled patterns, which we do not use. uvicorn loads its own command line, with click and its
reloaders. Without them a worker is 4.5, 1.1, 1.0, 1.3 and 1.7 MB smaller.
"""

import importlib
import sys
from types import ModuleType


def _without_command_line() -> ModuleType:
    """Return what stands for `uvicorn.main`: the server that it names, and no commands."""
    stand_in = ModuleType("uvicorn.main")
    stand_in.main = stand_in.run = None  # type: ignore[attr-defined] # as uvicorn imports them
    stand_in.__getattr__ = lambda name: getattr(  # type: ignore[method-assign] # PEP 562
        importlib.import_module("uvicorn.server"), name
    )
    return stand_in


for absent in ("rich", "yaml", "greenlet", "ua_parser_rs"):
    sys.modules.setdefault(absent, None)  # type: ignore[arg-type] # None means: not to be had
sys.modules.setdefault("uvicorn.main", _without_command_line())
