"""`python -m faults`: try, print, and write the table into docs/reliability.md."""

import argparse
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

from faults.claims import claims
from faults.crash import crash
from faults.media import media
from faults.numbers import numbers
from faults.readers import readers
from faults.table import write_table
from faults.world import world
from faults.zygote import with_shim

PARTS = {"crash": crash, "readers": readers, "numbers": numbers, "media": media, "world": world, "claims": claims}
SHARES = {"crash": 5.0, "readers": 1.0, "media": 2.0, "claims": 2.0}
"""Of the time, for the parts that draw; numbers and world try all that they have."""
PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m faults", description="Try to break Reeltune.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; none: all")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--write", action="store_true", help="write the table into docs/reliability.md")
    parser.add_argument(
        "--only", default="", metavar="NAME", help="of crash: commands whose names begin so, parted by ;"
    )
    options = parser.parse_args()
    names = options.parts or list(PARTS)
    if unknown := sorted(set(names) - set(PARTS)):
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if "crash" in names:
        with_shim()
    warnings.filterwarnings("ignore")
    parts = PARTS | {"crash": partial(crash, only=options.only)}
    total, wrong = sum(SHARES.get(name, 0.0) for name in names), 0
    with tempfile.TemporaryDirectory(prefix="faults-") as scratch:
        for name in names:
            folder = Path(scratch) / name
            folder.mkdir()
            seconds = 60 * options.minutes * SHARES.get(name, 0.0) / max(total, 1e-9)
            rows = parts[name](folder, seconds=seconds, seed=options.seed)
            for row in rows:
                print(
                    f"{row.part:14}{row.what:36}{row.tried:6}{row.survived:6}{len(row.wrong):6}  {row.note}", flush=True
                )
            wrong += sum(len(row.wrong) for row in rows if row.part != "media")
            if options.write:
                command = f"python -m faults {name} --minutes {seconds / 60:.3g} --seed {options.seed}"
                if name == "crash" and options.only:
                    command += f' --only "{options.only}"'
                write_table(PAGE, name, rows, command=command, date=time.strftime("%Y-%m-%d"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
