"""What happened: administrative and security events, chained so that none can be lost unseen."""
