"""``python -m mtbench`` is ``mtbench``."""

import sys

from mtbench.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
