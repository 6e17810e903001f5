"""Forgotten passwords, and invitations."""
