"""What drills are made of: clients with a ledger, the truth behind it, faults, and the report."""
