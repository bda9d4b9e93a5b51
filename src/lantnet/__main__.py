"""`python -m lantnet` is the command `lantnet`."""

import sys

from lantnet.cli import main

sys.exit(main())
