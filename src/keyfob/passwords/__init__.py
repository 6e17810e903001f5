"""Passwords: hashing in a bounded pool, imported hashes, and the policy for new passwords."""
