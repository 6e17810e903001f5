"""The base of every room: database, problems, clock, secrets, encryption, HTTP edge, logs."""
