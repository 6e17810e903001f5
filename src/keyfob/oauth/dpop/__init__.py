"""Proof of possession: tokens that only the holder of a key can use (DPoP, RFC 9449)."""
