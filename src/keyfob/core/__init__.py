"""What every room stands on: database, problems, clock, secrets, encryption, HTTP edge, logs."""
