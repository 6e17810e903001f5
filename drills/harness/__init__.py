"""The parts of drills: clients with a ledger, checks of the truth, faults, and the report."""
