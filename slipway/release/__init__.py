"""A release from the first word to the last, the way back, and what brings an environment back to life."""
