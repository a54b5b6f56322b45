"""image + settings -> droplets: the release graph planned, judged, applied, and brought back in line."""
