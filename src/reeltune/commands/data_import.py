"""`reeltune data import`: a public annotation file becomes samples.jsonl."""

import argparse
import sys
from collections import Counter
from pathlib import Path

SHOWN = 5
"""Refused entries that the command prints."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from reeltune.data.formats import formats

    parser.description = "Turn a public annotation file into samples.jsonl. docs/data.md describes the formats."
    parser.add_argument("format", metavar="FORMAT", help=f"auto, {', '.join(formats())}, or file.py of yours")
    parser.add_argument("annotations", type=Path, nargs="+", help="annotation files, or a folder of them")
    parser.add_argument(
        "--videos", type=Path, required=True, metavar="DIR", help="folder of the videos, which may not be there yet"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the samples.jsonl to write")
    parser.add_argument(
        "--past-duration",
        choices=("keep", "clip", "drop"),
        default="keep",
        help="spans that end after the video: keep them as annotated (default, as published scores do), clip them "
        "to the duration, or drop them",
    )
    parser.add_argument("--no-digests", action="store_true", help="do not read the media to record digests")


def run(args: argparse.Namespace) -> int:
    from reeltune.data.formats import get_benchmark
    from reeltune.data.import_ import import_annotations
    from reeltune.progress import counted

    if args.format == "auto":
        args.format = _recognized(args.annotations[0])
        print(f"read as {args.format}")
    found = import_annotations(
        args.format, args.annotations, videos=args.videos, output=args.output, past_duration=args.past_duration,
        digests=not args.no_digests,
    )  # fmt: skip
    benchmark = get_benchmark(args.format)
    tasks = Counter(str(row["task"]) for row in found.rows)
    kinds = ", ".join(f"{count} {task}" for task, count in tasks.items())
    noun = "sample" if len(found.rows) == 1 else "samples"
    print(f"{args.output}: {kinds} {noun} of {counted(found.videos, 'video')}")
    for text, count in found.counts.items():
        print(f"  {count} {text}")
    for reason in found.refused[:SHOWN]:
        print(f"    id {reason}")
    if found.missing:
        print(
            f"  {found.missing} of {found.videos} videos are not in {args.videos}: "
            "scoring works without them, training and evaluation do not"
        )
    print(f"  metric: {benchmark.metric}\n  license: {benchmark.license}")
    if not benchmark.seen:
        print(
            "  this reader was written from public documentation and has not been tried on a real file",
            file=sys.stderr,
        )
    return 0


def _recognized(path: Path) -> str:
    """The format that a file's first entry shows: training data, whose forms differ from all others."""
    from reeltune.data.formats import recognized
    from reeltune.data.tables import first_entry
    from reeltune.errors import InputError

    name = None if path.is_dir() else recognized(first_entry(path))
    if name is None:
        raise InputError(
            f"{path}: auto recognizes only conversations and Video-R1 problems; name the format (docs/data.md), or "
            "use `reeltune init` for a table"
        )
    return name
