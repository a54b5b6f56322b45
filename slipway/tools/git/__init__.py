"""Git: what the project's folder has, and refs that hold data."""
