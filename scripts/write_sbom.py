"""Write sbom.json, CycloneDX, of what runtime.txt pins.

It names no package index: from which one a team installs is its own affair, and the hashes say what
must come from there.
"""

import json
import subprocess
import sys
from pathlib import Path

from keyfob import __version__

# In place of an index's address: a package's own URL (purl).
_INDEX = "pkg:pypi"
_MAKE = (
    *("-W", "ignore::UserWarning"),  # pins know no graph; it would be told with each run
    *("-m", "cyclonedx_py", "requirements", "--output-reproducible"),
    *("--index-url", _INDEX, "--pyproject", "pyproject.toml", "requirements/runtime.txt"),
)


def main() -> int:
    """Write the file and say how much it lists."""
    made = subprocess.run([sys.executable, *_MAKE], stdout=subprocess.PIPE, check=True)
    bom = json.loads(made.stdout)
    bom["metadata"]["component"]["version"] = __version__
    for tool in bom["metadata"]["tools"]["components"]:
        del tool["externalReferences"]  # where it is downloaded from, an index among them
    for component in bom["components"]:
        del component["description"]  # the line of the file again
    Path("sbom.json").write_text(json.dumps(bom, indent=2) + "\n", encoding="utf-8")
    print(f"sbom.json lists {len(bom['components'])} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
