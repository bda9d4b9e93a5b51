"""`python -m faults`: try, print, and write the table into docs/reliability.md."""

import argparse
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path

from faults.crash import crash
from faults.media import media
from faults.table import Row, write_table
from faults.zygote import with_shim

PARTS = {"crash": crash, "media": media}
PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m faults", description="Try to break Reeltune.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; none: all")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--write", action="store_true", help="write the table into docs/reliability.md")
    parser.add_argument("--only", default="", metavar="NAME", help="of crash: commands whose names begin so")
    options = parser.parse_args()
    names = options.parts or list(PARTS)
    if unknown := sorted(set(names) - set(PARTS)):
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if "crash" in names:
        with_shim()
    warnings.filterwarnings("ignore")
    parts = PARTS | {"crash": partial(crash, only=options.only)}
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="faults-") as scratch:
        for name in names:
            folder = Path(scratch) / name
            folder.mkdir()
            rows += parts[name](folder, seconds=60 * options.minutes / len(names), seed=options.seed)
    for row in rows:
        print(f"{row.part:14}{row.what:36}{row.tried:6}{row.survived:6}{len(row.wrong):6}  {row.note}")
    if options.write:
        command = f"python -m faults {' '.join(options.parts)} --minutes {options.minutes:g} --seed {options.seed}"
        write_table(PAGE, rows, command=" ".join(command.split()), date=time.strftime("%Y-%m-%d"))
    silent = [row for row in rows if row.wrong and row.part != "media"]
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main())
