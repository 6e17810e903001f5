"""The outbox: jobs that a change causes, written in its transaction."""
