"""One-time tokens, which links in mails carry."""
