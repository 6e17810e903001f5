"""Write sbom.json (CycloneDX), from the pins in runtime.txt.

It names no package index: each team chooses its own, and the hashes say what has to come from it.
"""

import json
import subprocess
import sys
from pathlib import Path

from keyfob import __version__

# Instead of an index's address: a package's own URL (purl).
_INDEX = "pkg:pypi"
_MAKE = (
    *("-W", "ignore::UserWarning"),  # pins know no graph; it would be told with each run
    *("-m", "cyclonedx_py", "requirements", "--output-reproducible"),
    *("--index-url", _INDEX, "--pyproject", "pyproject.toml", "requirements/runtime.txt"),
)


def main() -> int:
    """Write the file and print the number of its components."""
    made = subprocess.run([sys.executable, *_MAKE], stdout=subprocess.PIPE, check=True)
    bom = json.loads(made.stdout)
    bom["metadata"]["component"]["version"] = __version__
    for tool in bom["metadata"]["tools"]["components"]:
        del tool["externalReferences"]  # the address of the download, which names an index
    for component in bom["components"]:
        del component["description"]  # repeats the line of the file
    Path("sbom.json").write_text(json.dumps(bom, indent=2) + "\n", encoding="utf-8")
    print(f"sbom.json lists {len(bom['components'])} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
