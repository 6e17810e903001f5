"""The programs of docs/verifying.md, run against a running Keyfob and against forged tokens."""
