"""Passkeys: WebAuthn ceremonies, as a second factor or alone."""
