"""The verbs of `./invoke`: those that every project has (`slipway/verbs/table.py`), and those for work on slipway."""

from __future__ import annotations

from devtools import verbs as dev
from slipway.verbs.table import namespace as of_slipway
from slipway.verbs.table import under

namespace = of_slipway()
namespace.add_task(dev.check)
namespace.add_task(dev.update)
namespace.add_task(dev.package)
under(namespace, "test", dev.test, dev.upstream, default=True)
