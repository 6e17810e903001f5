"""Growing past one machine: each topology of docs/scaling.md, run on loopback and broken."""
