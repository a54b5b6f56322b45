"""What `./invoke` runs, with `-S`: Invoke, but whoever interrupts Python while it is still loading meets no traceback.

Nor does who reads no further, as `| head` does.
"""

import os
import sys

try:
    import site

    site.main()
    from invoke.main import program

    sys.argv[0] = "invoke"
    program.run()
except KeyboardInterrupt:
    sys.stderr.write("\n✗ Interrupted, before anything was begun.\n")
    sys.exit(130)
except BrokenPipeError:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is flushed at the end
    sys.exit(1)
