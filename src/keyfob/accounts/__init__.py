"""Accounts: e-mail address, role, status, profile and password."""
