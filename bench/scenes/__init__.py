"""One file a scene; each says what it compares, and measures both in turn."""
