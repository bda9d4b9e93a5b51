"""`reeltune compare`: is one set of answers better than another? Imports nothing heavy before it runs."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Compare two evaluations of the same samples, by id: means, the difference with its 95 % interval from a "
        "paired bootstrap over videos, and on how many samples each is better."
    )
    parser.add_argument("a", type=Path, help="a folder of `reeltune eval`, or what `score --per-sample` wrote")
    parser.add_argument("b", type=Path, help="the other evaluation")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table to this file")
    parser.add_argument("--resamples", type=int, default=10_000, help="bootstrap draws (default: 10,000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the bootstrap")


def run(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from reeltune.errors import InputError
    from reeltune.evaluation.compare import compare, read_scored
    from reeltune.files import write_json

    if args.resamples < 1:
        raise InputError(f"--resamples must be at least 1; got {args.resamples}")
    found = compare(read_scored(args.a), read_scored(args.b), resamples=args.resamples, seed=args.seed)
    print(f"A: {args.a}\nB: {args.b}")
    print(found.text())
    if args.json:
        write_json(args.json, asdict(found))
    return 0
