"""What the cloud holds and does: records, states and actions; knows nothing of HTTP."""
