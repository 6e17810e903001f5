"""Who asks, and what a route requires: it holds nothing, and other rooms say who can tell."""

from keyfob.core.rooms import Room


def build() -> Room:
    """Bring nothing: routes use `requiring`, and ask for what implements the ports of `models`."""
    return Room()
