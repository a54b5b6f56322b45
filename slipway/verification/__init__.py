"""droplet -> verified: asked from outside, as a user and as an auditor, and by its own word."""
