"""Programs of others: started with an environment of ours, watched, and ended."""
