"""Signing in with a password, a second factor or a passkey."""
