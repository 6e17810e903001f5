"""`python -m keyfob.cli`."""

from keyfob.cli.main import main

main()
