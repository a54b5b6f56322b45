"""What no release needs any more, found and removed."""
