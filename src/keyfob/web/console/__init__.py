"""The console: pages for those who administer."""
