"""Statistics of sign-ins and accounts, for the overview of the console."""
