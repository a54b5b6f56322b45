"""What is claimed, measured: each figure is taken side by side with its yardstick, in one run, and shown as a ratio."""
