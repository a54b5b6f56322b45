"""Version to image to release to verified droplet to live address: one room for each step."""
