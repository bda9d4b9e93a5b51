"""Run by torchrun: several runs one after the other in the same processes, since starting them costs the most.

The argument is a JSON file: a list of argument lists of `reeltune`, each with the exit code that it must have.
"""

import json
import sys
from pathlib import Path

from torch import distributed

from reeltune.cli import main
from reeltune.distributed import world

leave, world.leave = world.leave, lambda: None
for arguments, code in json.loads(Path(sys.argv[1]).read_text()):
    found = main(arguments)
    if found != code:
        sys.exit(f"{arguments} ended with {found}, not {code}")
    if distributed.is_initialized():
        distributed.barrier()
leave()
