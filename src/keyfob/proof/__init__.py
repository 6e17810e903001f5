"""Proof of addresses: verifying them, and ending what others may have left in the account."""
