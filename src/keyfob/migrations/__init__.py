"""Alembic migrations, shipped in the wheel. Only they need SQLAlchemy."""
