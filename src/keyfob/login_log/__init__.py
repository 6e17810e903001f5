"""The login log: attempts to sign in, good and bad, and ends of sessions."""
