"""Imported first by whatever serves: keeps out of the process what is loaded in case it is there.

structlog loads rich, and rich loads pygments, in case a traceback should be drawn on a terminal;
Typer needs it, so it is installed. ua-parser loads PyYAML in case its rules should come as YAML;
other tools bring it. Without them a worker is 4.5 MB and 1.1 MB smaller.
"""

import sys

for name in ("rich", "yaml"):
    sys.modules.setdefault(name, None)  # type: ignore[arg-type] # None means: not to be had
