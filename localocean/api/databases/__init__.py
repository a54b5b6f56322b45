"""/v2/databases: clusters, and all that belongs to one."""
