"""`reeltune data check`: look before you train.

Importing this module imports nothing heavy: the command line reads its arguments at every start.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from reeltune.commands.own_tasks import add_task_files, load_task_files

if TYPE_CHECKING:
    from reeltune.sample import Sample


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Check samples: the contract, videos, texts, duplicates, leaks, balance, gold answers, and with --model the "
        "length of prompts, by the model's tokenizer and without its weights. Exit code 0: no error, "
        "or none is left in the fixed copy; 1: errors found; 2: the file cannot be read."
    )
    parser.add_argument("samples", type=Path, help="samples.jsonl")
    parser.add_argument(
        "--fix",
        type=Path,
        metavar="OUT",
        help="write a repaired copy without unusable samples, and OUT.fixes.txt",
    )
    parser.add_argument(
        "--no-digests", action="store_true", help="with --fix: record no media digests, and drop existing ones"
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write all findings to this file; - prints them to stdout instead of the summary",
    )
    parser.add_argument(
        "--decode",
        action="store_true",
        help="decode every video; compare durations; report variable frame rates and late starts",
    )
    parser.add_argument(
        "--model", metavar="DIR", help="count the tokens of each prompt for this model (a directory, or toyworld:base)"
    )
    parser.add_argument("--recipe", type=Path, help="with --model: use the video and data settings of this recipe")
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="section.key=value", help="with --model: settings, as in a recipe"
    )
    parser.add_argument(
        "--against", type=Path, metavar="SAMPLES", help="report videos that are also in this file (leaks)"
    )
    parser.add_argument(
        "--plot",
        "--picture",
        type=Path,
        metavar="FILE.svg",
        help="draw spans, durations and answers to an SVG file (--picture: deprecated)",
    )
    add_task_files(parser)


def run(args: argparse.Namespace) -> int:
    from reeltune.data.decoded import Decoder
    from reeltune.data.findings import check_samples
    from reeltune.data.fix import fix_samples
    from reeltune.data.overview import overview_svg, overview_text
    from reeltune.files import write_json, write_text

    load_task_files(args)
    counter = _prompt_length(args)
    decode = Decoder() if args.decode else False
    report = check_samples(args.samples, decode=decode, against=args.against, prompt_length=counter)
    found = report.as_json()
    say = (lambda text: None) if args.json == Path("-") else print
    say(report.text())
    if not args.decode:
        say("videos were not opened; --decode checks for damage, late starts and variable frame rates")
    if report.samples:
        say(overview_text(report.samples))
    if args.plot and report.samples:
        write_text(args.plot, overview_svg(report.samples))
        say(f"plot: {args.plot}")
    if args.fix:
        fixed = fix_samples(args.samples, args.fix, decode=decode, digests=not args.no_digests)
        say(fixed.text(args.fix))
        report = check_samples(args.fix, decode=decode, against=args.against, prompt_length=counter)
        say(report.text())
        found["fixed"] = {"kept": fixed.kept, "dropped": fixed.dropped, "changes": fixed.counts, **report.as_json()}
    found["clean"] = not report.errors
    if args.json == Path("-"):
        print(json.dumps(found, ensure_ascii=False, indent=2))
    elif args.json:
        write_json(args.json, found)
    return 1 if report.errors else 0


def _prompt_length(args: argparse.Namespace) -> "Callable[[Sample], int] | None":
    from reeltune.errors import InputError

    if not args.model:
        if args.overrides or args.recipe:
            given = args.overrides[0] if args.overrides else f"--recipe {args.recipe}"
            raise InputError(f"data check takes settings only with --model, for its prompts; got {given}")
        return None
    from reeltune.config.recipe import parse_recipe
    from reeltune.config.tree import load_tree
    from reeltune.data.sources import resolve_model
    from reeltune.models.loading import base_directory
    from reeltune.rollout.prompts import PromptCheck

    fixed = [f"model.path={args.model}", f"data.train={args.samples}"]
    tree = load_tree(args.recipe, [*fixed, *args.overrides])
    tree.setdefault("method", "sft")
    recipe = parse_recipe(tree, where=str(args.recipe or "reeltune data check"))
    model = resolve_model(recipe.model.path, recipe.toyworld)
    return PromptCheck(base_directory(model), recipe.video, mode=recipe.data.mode, system=recipe.data.system).length
