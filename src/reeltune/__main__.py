"""`python -m reeltune`, the form that `torchrun -m reeltune` takes."""

import sys

from reeltune.cli import main

if __name__ == "__main__":
    sys.exit(main())
