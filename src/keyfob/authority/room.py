"""The room of authority; it has no state, and other rooms implement the ports of `models`."""

from keyfob.core.rooms import Room


def build() -> Room:
    """Build nothing: routes use `requiring`, which looks up the implementations of the ports."""
    return Room()
