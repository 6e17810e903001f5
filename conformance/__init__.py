"""Runs the OpenID Foundation's conformance suite against Keyfob, and keeps its verdicts."""
