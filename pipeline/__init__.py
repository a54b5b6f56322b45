"""Version to image to release to verified droplet to live address: one module for each step."""
