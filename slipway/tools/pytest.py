"""pytest, as it runs the tests of a bake and of a gate."""

from __future__ import annotations

import sys

PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--disable-plugin-autoload")
"""Without the plugins for the project's own tests, whose loading takes longer than looking at a droplet."""
