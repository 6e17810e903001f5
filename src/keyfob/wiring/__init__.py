"""Every service and what it is built from: the dependency graph, a page for each floor.

`foundations`, then `entering` (signing in), then `living` (the account's life and its
administration); `building` puts them together.
"""

from keyfob.wiring.building import Wiring, build

__all__ = ["Wiring", "build"]
