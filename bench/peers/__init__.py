"""What a user would pick instead, each started on the same PostgreSQL and driven alike."""
