"""What the cloud remembers: its records, and the file that they are in."""
