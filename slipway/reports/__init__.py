"""What is live, what was done, what differs and what it costs, for a person or a machine."""
