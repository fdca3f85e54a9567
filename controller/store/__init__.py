"""What the centre remembers: SQLAlchemy lives here and nowhere else."""
