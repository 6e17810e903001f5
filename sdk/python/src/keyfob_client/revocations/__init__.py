"""Following the revocation feed of Keyfob: what ends before it expires is refused at once."""
