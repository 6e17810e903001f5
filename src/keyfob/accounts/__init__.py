"""The account: e-mail, role, status, profile, password."""
