"""Administration of other users' accounts, for the admin API and the command line."""
