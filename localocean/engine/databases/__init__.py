"""Managed PostgreSQL: clusters of machines of their own, which are no droplets."""
