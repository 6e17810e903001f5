"""Recovery of forgotten passwords, and invitations."""
