"""What `invoke` offers."""
