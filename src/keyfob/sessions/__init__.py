"""Sessions: open, refresh with reuse detection, end; the feed of revocations; activity."""
