"""OAuth 2 for programs: clients prove who they are, get tokens, ask about them, and revoke them."""
