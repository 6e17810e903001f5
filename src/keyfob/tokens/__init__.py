"""Access tokens: their claims, the keys that sign them, and the JWKS that verifies them."""
