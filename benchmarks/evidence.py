"""What the papers claim, shown in small: runs the toyworld version of each table and writes docs/evidence.md.

    python benchmarks/evidence.py                             all of them, seeds 0, 1, 2: hours of one core
    python benchmarks/evidence.py --papers p-mod --seeds 0    a first look; writes --dir/evidence.md alone

Every training and every answer is kept in --dir: after a kill the same command continues. With three seeds or more the
page is also written to docs/evidence.md, which is made by nothing else; it names the papers that were left out.
"""

import argparse
import time
from pathlib import Path

from reeltune.config.shipped import papers
from reeltune.evidence.page import SIMULATION, section
from reeltune.evidence.small import run_small
from reeltune.evidence.spec import load
from reeltune.files import write_text

DOCS = Path(__file__).parents[1] / "docs" / "evidence.md"
HEAD = f"""# Evidence

Each paper's claims on a small scale, one command each, with seeds, intervals, and verdicts. A goal that is not reached
is a **MISS**. {SIMULATION}

Differences are paired by seed and sample. The interval is a bootstrap over the samples of these seeds (2,000 draws);
it says nothing about other seeds, whose spread the column "by seed" shows. "Within chance" means that the interval
contains the goal.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--papers", nargs="+", default=list(papers()), choices=papers(), metavar="PAPER")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--dir", type=Path, default=Path("runs/reproduce"))
    args = parser.parse_args()
    command = "python benchmarks/evidence.py"
    if set(args.papers) != set(papers()):
        command += f" --papers {' '.join(args.papers)}"
    parts = [f"{HEAD}\nMade by `{command}`, last on {time.strftime('%Y-%m-%d')}, CPU.\n"]
    for name in args.papers:
        found = load(name)
        measured, trivial = run_small(found, args.dir / name, args.seeds)
        parts.append(section(name, found, measured, trivial, f"reeltune reproduce {name} --small") + "\n")
        write_text(args.dir / "evidence.md", "\n".join(parts))
    left_out = [name for name in papers() if name not in args.papers]
    if left_out:
        parts.append("## Not run\n\n" + "\n".join(f"- `reeltune reproduce {name} --small`" for name in left_out) + "\n")
    if len(args.seeds) >= 3:
        write_text(DOCS, "\n".join(parts))


if __name__ == "__main__":
    main()
