"""`python -m reeltune`, the form that `accelerate launch -m reeltune` takes."""

import sys

from reeltune.cli import main

if __name__ == "__main__":
    sys.exit(main())
