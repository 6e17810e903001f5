"""The room of devices: only the names of places need a service."""

from keyfob.core.rooms import Room
from keyfob.devices.places import Places
from keyfob.settings import Settings


def build(*, settings: Settings) -> Room:
    """Open the file of places, if one is configured.

    Raises:
        WrongSetting: the file cannot be read.
    """
    return Room(services=[Places.of_file(settings.geoip_database)])
