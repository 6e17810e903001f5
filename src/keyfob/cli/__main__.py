"""`python -m keyfob.cli`."""

from keyfob.cli import main

main()
