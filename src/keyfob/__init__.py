"""Keyfob: self-hosted authentication for teams that run several services."""

__version__ = "0.1.0"
