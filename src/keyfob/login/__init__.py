"""Signing in with a password, and the log of who tried."""
