"""Signing up, and verifying addresses."""
