"""Run `serve` with the settings of argv[1] (JSON) and the application of argv[2]."""

import json
import sys

from keyfob.core.telemetry import configure_logging
from keyfob.serving import CannotListen, serve
from keyfob.settings import load_settings


def _tell(urls: list[str]) -> None:
    sys.stdout.write(json.dumps(urls) + "\n")
    sys.stdout.flush()


def main() -> int:
    settings = load_settings(**json.loads(sys.argv[1]))
    configure_logging(settings.log_level, "json")
    try:
        return serve(
            settings,
            _tell,
            app=f"served_app:{sys.argv[2]}",
        )
    except CannotListen as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
