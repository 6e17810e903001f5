"""Changes that users make to their own accounts."""
