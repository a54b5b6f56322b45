"""source -> version -> image: named by its inputs, built, baked once, and read back."""
