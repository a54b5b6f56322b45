"""What `./invoke` runs: Invoke, but an interrupt while it is still being loaded ends in a sentence, too."""

import sys

try:
    from invoke.main import program

    sys.argv[0] = "invoke"
    program.run()
except KeyboardInterrupt:
    sys.stderr.write("\n✗ Interrupted, before anything was begun.\n")
    sys.exit(130)
