"""The revocation feed: other services follow what was revoked, and refuse its tokens at once."""
