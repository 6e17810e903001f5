"""What administrators do to others' accounts: for the API, the command line, and what comes."""
