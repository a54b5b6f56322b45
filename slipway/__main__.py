"""`python -m slipway` is `slipway`."""

from __future__ import annotations

import sys

from slipway.verbs.program import main

sys.exit(main())
