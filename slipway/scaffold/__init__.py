"""repository -> project: what somebody's repository is, and the files with which slipway releases it."""
