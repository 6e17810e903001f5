"""The alternatives to Keyfob, each started on the same PostgreSQL and driven alike.

A contestant is a folder whose module `contestant` has a `CONTESTANT`; see `bench.peers.field`.
"""
