"""Run by each of several processes: some runs one after the other, since starting the processes costs the most.

The argument is a JSON file: a list of argument lists of `reeltune`, each with the exit code that it must have.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from torch import distributed

from reeltune.cli import main
from reeltune.distributed import world
from reeltune.models import policy

opened = policy.open_routed


def noted(path: Path, *arguments: Any, **options: Any) -> Any:
    """Which process reads weights from which directory."""
    with Path(f"{sys.argv[1]}.{os.environ['RANK']}").open("a") as file:
        file.write(f"{path}\n")
    return opened(path, *arguments, **options)


policy.open_routed = noted
leave, world.leave = world.leave, lambda: None
for arguments, code in json.loads(Path(sys.argv[1]).read_text()):
    found = main(arguments)
    if found != code:
        sys.exit(f"{arguments} ended with {found}, not {code}")
    if distributed.is_initialized():
        distributed.barrier()
leave()
