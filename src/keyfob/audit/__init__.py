"""The audit log: administrative and security events in a chain, so that no change goes unseen."""
