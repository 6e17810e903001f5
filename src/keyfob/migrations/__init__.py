"""Alembic migrations, shipped in the wheel. SQLAlchemy is needed here and nowhere else."""
