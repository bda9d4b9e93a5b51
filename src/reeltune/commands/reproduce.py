"""`reeltune reproduce PAPER [--small]`: its table again, at its size or on toyworld."""

import argparse
from pathlib import Path

from reeltune.config.shipped import papers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Reproduce a paper's table. Without --small: list the data and model that it needs, import, train, "
        "evaluate, and print the published table with our row below it. With --small: run its toyworld version on "
        "a CPU, with several seeds, intervals and a verdict on each claim."
    )
    parser.add_argument("paper", metavar="PAPER", help=f"{', '.join(papers())}, or a file.yaml of yours")
    parser.add_argument("--small", action="store_true", help="the toyworld version; minutes to hours of one CPU core")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="seeds of --small (default: 0 1 2)")
    parser.add_argument("--dir", type=Path, help="folder of --small (default: runs/reproduce/PAPER)")
    parser.add_argument(
        "--set",
        dest="overrides",
        nargs="+",
        default=[],
        metavar="section.key=value",
        help="recipe settings for all stages",
    )


def run(args: argparse.Namespace) -> int:
    from reeltune.evidence.spec import load
    from reeltune.evidence.whole import beside_published, run_whole
    from reeltune.lock import locked

    found = load(args.paper)
    if not args.small:
        print(f"{found.paper}\n{found.claims}\n")
        print(beside_published(found))
        run_whole(found)
        print(beside_published(found))
        return 0
    name = Path(args.paper).stem if args.paper.endswith(".yaml") else args.paper
    directory: Path = args.dir or Path("runs/reproduce") / name
    with locked(directory, name="--dir"):
        return _small(args, name, directory)


def _small(args: argparse.Namespace, name: str, directory: Path) -> int:
    from reeltune.evidence.page import section
    from reeltune.evidence.small import Stopped, run_small
    from reeltune.evidence.spec import load
    from reeltune.files import write_text

    found = load(args.paper)
    try:
        measured, trivial = run_small(found, directory, args.seeds, args.overrides)
    except Stopped:
        print("stopped; the same command continues from here")
        return 130
    text = section(name, found, measured, trivial, f"reeltune reproduce {args.paper} --small")
    write_text(directory / "evidence.md", text + "\n")
    print(f"{text}\n\n{directory / 'evidence.md'}")
    return 0
