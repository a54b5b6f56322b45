"""What only the developers of this repository run: its checks and its test suites."""
