"""`reeltune select`: ask the model, keep what is informative. Imports nothing heavy before it runs."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from reeltune.errors import InputError

if TYPE_CHECKING:
    from reeltune.config.recipe import Recipe
    from reeltune.selection.drawing import AtEndpoint
    from reeltune.selection.rules import Options
    from reeltune.selection.stats import SampleStats


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Sample several completions of every prompt in data.train with the recipe's model and keep the "
        "informative samples: DIR/stats.jsonl, samples.jsonl, decisions.jsonl, report.html. After Ctrl-C or a "
        "kill, the same command continues. Under torchrun, the processes share the samples. --merge combines "
        "shards; --from selects again without a model."
    )
    parser.add_argument(
        "recipe", type=Path, nargs="?", help="the recipe, whose model, data, rewards and settings are used"
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        default=[],
        metavar="section.key=value",
        help="settings that replace those of the recipe",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="output folder")
    parser.add_argument("--shard", metavar="3/8", help="process only this part of the samples, and select later")
    parser.add_argument("--merge", type=Path, nargs="+", metavar="DIR", help="combine these shards and select")
    parser.add_argument("--from", type=Path, dest="stats", metavar="STATS", help="select from this stats.jsonl")
    parser.add_argument(
        "--allow-mismatch", action="store_true", help="accept statistics of another model, sampling or samples"
    )
    parser.add_argument(
        "--endpoint",
        metavar="URL",
        help="use the OpenAI-compatible endpoint http://HOST:PORT/v1, where model.path is the served name",
    )
    parser.add_argument(
        "--send", choices=("file", "frames"), default="file", help="with --endpoint: send the video file, or its frames"
    )
    parser.add_argument(
        "--endpoint-key-env", metavar="NAME", help="with --endpoint: environment variable that holds the key"
    )
    rule = parser.add_argument_group("selection")
    rule.add_argument("--min-std", type=float, default=0.1, help="minimum std of a continuous score (default: 0.1)")
    rule.add_argument(
        "--min-level", type=float, default=0.3, help="minimum --level of a continuous score (default: 0.3)"
    )
    rule.add_argument("--level", choices=("max", "mean"), default="max", help="level of the K scores (default: max)")
    rule.add_argument(
        "--size", type=int, metavar="N", help="maximum number of samples; the most varied of each task come first"
    )
    rule.add_argument(
        "--quota",
        action="append",
        default=[],
        metavar="FIELD:VALUE=N",
        help="at most N with this task, source or difficulty (hard, medium, easy); may be given several times",
    )
    rule.add_argument("--seed", type=int, default=0, help="seed that orders equally varied samples (default: 0)")


def run(args: argparse.Namespace) -> int:
    from reeltune.lock import locked

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return _run_together(args)
    with locked(args.output, name="-o"):
        return _run(args)


def _run_together(args: argparse.Namespace) -> int:
    """Under torchrun every process asks about a shard of its own; then the main one puts them together and chooses."""
    from contextlib import nullcontext

    from reeltune.distributed import world as processes
    from reeltune.lock import locked
    from reeltune.selection.merge import merge
    from reeltune.selection.sampling import Shard, sample_stats

    _check(args)
    if args.shard or args.stats or args.merge:
        raise InputError(
            "--shard, --merge and --from need a single process; under torchrun each process takes its own shard"
        )
    options, world = _options(args), processes.join()
    folders = [args.output / "shards" / f"{number + 1}-of-{world.size}" for number in range(world.size)]
    with locked(args.output, name="-o") if world.is_main else nullcontext():
        sample_stats(_recipe(args), folders[world.rank], Shard(world.rank + 1, world.size), world, _endpoint(args))
        world.wait()
        code = _choose(args.output, merge(folders, args.output), options, args.output) if world.is_main else 0
    processes.leave()
    return code


def _run(args: argparse.Namespace) -> int:
    _check(args)
    options = _options(args)
    origin = args.output
    if args.stats:
        stats = _chosen_from(args)
        origin = args.stats.parent
    elif args.merge:
        from reeltune.selection.merge import merge

        stats = merge(args.merge, args.output)
    else:
        from reeltune.selection.sampling import Shard, parse_shard, sample_stats

        recipe = _recipe(args)
        shard = parse_shard(args.shard) if args.shard else Shard()
        stats = sample_stats(recipe, args.output, shard, endpoint=_endpoint(args))
        if args.shard:
            print(f"{args.output}: {len(stats)} samples; combine the shards with reeltune select --merge")
            return 0
    return _choose(args.output, stats, options, origin)


def _choose(directory: Path, stats: "list[SampleStats]", options: "Options", origin: Path) -> int:
    from reeltune.selection.outcome import counts, summary, write_outcome
    from reeltune.selection.report import write_report
    from reeltune.selection.rules import choose

    if not stats:
        raise InputError(f"{origin / 'stats.jsonl'} has no statistics: no sample could be used")
    decisions = choose(stats, options)
    kept = write_outcome(directory, stats, decisions, options, origin=origin)
    page = write_report(directory, stats, decisions, options, origin=origin)
    print(summary(counts(stats, decisions)))
    print(page)
    if not kept:
        raise InputError(
            f"no sample is informative at these thresholds; {directory / 'decisions.jsonl'} gives the reasons. "
            "Lower --min-std or --min-level, or sample more often (select.repeats)"
        )
    print(directory / "samples.jsonl")
    return 0


def _check(args: argparse.Namespace) -> None:
    if args.stats and args.merge:
        raise InputError("--from and --merge exclude each other; merge first, then select from the merged stats.jsonl")
    if args.shard and (args.stats or args.merge):
        raise InputError("--shard needs a recipe and cannot be combined with --from or --merge")
    if args.endpoint and (args.stats or args.merge):
        raise InputError("--endpoint cannot be combined with --from or --merge, which use no model")
    if args.recipe is None and not (args.stats or args.merge):
        raise InputError("give a recipe, --merge DIR ... or --from STATS")
    if args.merge and args.recipe:
        raise InputError(f"--merge takes no recipe; the shards record theirs (got {str(args.recipe)!r})")


def _endpoint(args: argparse.Namespace) -> "AtEndpoint | None":
    from reeltune.selection.drawing import AtEndpoint

    return AtEndpoint(args.endpoint, args.send, args.endpoint_key_env) if args.endpoint else None


def _options(args: argparse.Namespace) -> "Options":
    from reeltune.selection.rules import Options, parse_quota

    for name in ("min_std", "min_level"):
        value = getattr(args, name)
        if not 0 <= value <= 1:
            raise InputError(f"--{name.replace('_', '-')} must be within 0..1, like the scores; got {value}")
    if args.size is not None and args.size < 1:
        raise InputError(f"--size must be at least 1; got {args.size}")
    return Options(
        min_std=args.min_std,
        min_level=args.min_level,
        level=args.level,
        size=args.size,
        quotas=tuple(parse_quota(text) for text in args.quota),
        seed=args.seed,
    )


def _recipe(args: argparse.Namespace) -> "Recipe":
    from reeltune.config.recipe import load_recipe

    # Rewards are what is asked about, also when the recipe is one of supervised training.
    return load_recipe(args.recipe, ["method=grpo", f"run.dir={args.output}", *args.overrides])


def _chosen_from(args: argparse.Namespace) -> "list[SampleStats]":
    from reeltune.selection.checks import against_recipe, mixed
    from reeltune.selection.stats import read_stats

    stats = read_stats(args.stats)
    problems = mixed(stats)
    if args.recipe:
        stats, more = against_recipe(_recipe(args), stats, args.stats)
        problems += more
    text = "\n  ".join([f"{args.stats}: these statistics do not match the recipe:", *problems])
    if problems and not args.allow_mismatch:
        raise InputError(f"{text}\nsample again, or use them anyway with --allow-mismatch")
    if problems:
        print(f"reeltune: {text}", file=sys.stderr)
    return stats
