"""A run: alone on its checkout and its account, written down, and cleaned up after."""
