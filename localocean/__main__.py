"""`python -m localocean`."""

import sys

from localocean.cli import main

sys.exit(main())
