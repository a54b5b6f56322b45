"""What is inside the machine of a managed PostgreSQL: its configuration, its users and databases, copies of it.

Nothing here knows of records or of HTTP. A machine is named by its control group and entered by its namespaces, so
no way in exists that a client could find; statements and passwords go in by standard input, never as arguments.
"""
