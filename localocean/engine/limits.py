"""What one account may have and ask for; the account page shows the same numbers."""

from __future__ import annotations

DROPLETS = 100
DROPLETS_AT_ONCE = 10
FLOATING_IPS = 100
USER_DATA_BYTES = 64 * 1024
