"""The command line: `keyfob`."""

from keyfob.cli.main import main

__all__ = ["main"]
