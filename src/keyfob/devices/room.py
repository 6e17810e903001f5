"""Names of places; what else tells of a request's source holds nothing."""

from keyfob.core.rooms import Room
from keyfob.devices.places import Places
from keyfob.settings import Settings


def build(*, settings: Settings) -> Room:
    """Open the file of places, if one is configured.

    Raises:
        WrongSetting: it cannot be read.
    """
    return Room(services=[Places.of_file(settings.geoip_database)])
