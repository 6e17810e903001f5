"""Drills: break what is around Keyfob while it works, and count what was lost."""
