"""Sessions: open, refresh with reuse detection, revoke; the feed of revocations; activity."""
