"""Passwords: hashing in a bounded pool, hashes made elsewhere, and which passwords are refused."""
