"""Imported first by whatever serves: keeps rich out of the process.

structlog loads rich, and rich loads pygments, wherever it is installed, in case a traceback should
be drawn on a terminal. Typer needs it, so it is installed. Without both a worker is 4.5 MB smaller.
"""

import sys

sys.modules.setdefault("rich", None)  # type: ignore[arg-type] # None means: not to be had
