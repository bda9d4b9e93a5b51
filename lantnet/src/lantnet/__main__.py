"""`python -m lantnet` is the command `lantnet`."""

import sys

from lantnet.cli.main import main

sys.exit(main())
