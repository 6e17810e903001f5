"""Pages of the provider: where apps send their users, and what these let apps have."""
