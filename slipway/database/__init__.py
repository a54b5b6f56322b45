"""The managed database: its cluster, its schema with each release, its backups and their drills."""
