"""OAuth 2 for programs: clients authenticate and get tokens."""
