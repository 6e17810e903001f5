"""The programs that an administrator registered, their secrets, and what tokens are for."""
