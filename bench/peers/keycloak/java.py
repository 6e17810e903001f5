"""The newest Java of this machine."""

import json
import os
from pathlib import Path

from bench.peers.contestant import Unavailable

OLDEST = 17
_PLACES = ("/usr/lib/jvm",)  # where Debian, Fedora and others put them


def java_home() -> str:
    """Find the home of the newest Java; Keycloak's own start script looks for it in `JAVA_HOME`.

    Raises:
        Unavailable: there is none, or none new enough.
    """
    named = [Path(os.environ["JAVA_HOME"])] if "JAVA_HOME" in os.environ else []
    homes = [*named, *(home for place in _PLACES for home in Path(place).glob("*"))]
    versions = {home: _major(home) for home in homes if (home / "bin/java").exists()}
    if max(versions.values(), default=0) < OLDEST:
        raise Unavailable(f"it needs Java {OLDEST} or newer")
    return str(max(versions, key=versions.__getitem__))


def _major(home: Path) -> int:
    release = home / "release"
    lines = release.read_text().splitlines() if release.exists() else []
    for line in lines:
        name, _, value = line.partition("=")
        if name == "JAVA_VERSION":
            return int(str(json.loads(value)).partition(".")[0])
    return 0
