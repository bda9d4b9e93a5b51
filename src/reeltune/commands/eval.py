"""`reeltune eval`: a model's answers to samples, then their scores. Imports nothing heavy before it runs."""

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reeltune.config.recipe import Recipe
    from reeltune.data.sources import Pool
    from reeltune.evaluation.runner import Ask
    from reeltune.protocols import Protocol
    from reeltune.sample import Sample


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Run a model on samples (greedy), write DIR/predictions.jsonl, then score it; metrics that need a judge "
        "use the recipe's judge. --protocol prompts, parses and averages as a published evaluation does."
    )
    parser.add_argument("model", help="a Hugging Face directory, or toyworld:base")
    parser.add_argument("samples", help="samples.jsonl, toyworld:SPLIT/TASK, or a benchmark's name with --annotations")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="output folder")
    parser.add_argument(
        "--annotations",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="annotations of the benchmark, which are imported first",
    )
    parser.add_argument("--videos", type=Path, metavar="DIR", help="with --annotations: folder of the videos")
    parser.add_argument("--protocol", metavar="NAME", help="NAME or BENCHMARK/NAME: lmms-eval, vlmevalkit, ...")
    parser.add_argument(
        "--prompts",
        type=Path,
        metavar="DIR",
        help="with --protocol: folder of the published instructions (docs/benchmarks.md)",
    )
    parser.add_argument(
        "--endpoint",
        metavar="URL",
        help="use the OpenAI-compatible endpoint http://HOST:PORT/v1, where MODEL is the served name",
    )
    parser.add_argument(
        "--send", choices=("file", "frames"), default="file", help="with --endpoint: send the video file, or its frames"
    )
    parser.add_argument(
        "--endpoint-key-env", metavar="NAME", help="with --endpoint: environment variable that holds the key"
    )
    parser.add_argument(
        "--recipe", type=Path, help="use the settings of this recipe (default: those the checkpoint was trained with)"
    )
    parser.add_argument("--batch-size", type=int, default=64, help="samples per batch")
    parser.add_argument(
        "overrides", nargs="*", default=[], metavar="section.key=value", help="settings, as in a recipe"
    )


def run(args: argparse.Namespace) -> int:
    from reeltune.lock import locked

    with locked(args.output, name="-o"):
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    from reeltune.build import model_directory
    from reeltune.data.kept import keep_samples
    from reeltune.data.sources import load_source
    from reeltune.evaluation.judging import judge_answers
    from reeltune.evaluation.runner import predict, warnings
    from reeltune.evaluation.score import score_answers
    from reeltune.evaluation.score_table import score_table
    from reeltune.files import write_json, write_jsonl
    from reeltune.protocols.beside import beside
    from reeltune.provenance import claim_evaluation

    path = _samples(args)
    recipe, protocol = _recipe(args, path)
    pool = load_source(path, recipe.toyworld).require(recipe.video.max_broken_share)
    samples = pool.samples
    model = f"{args.model}, served, sent {args.send}" if args.endpoint else model_directory(recipe)
    claim_evaluation(args.output, recipe, model, samples, protocol=_identity(protocol))
    keep_samples(args.output, {"held_out": samples})
    with _asking(args, recipe, protocol) as ask:
        answers = predict(
            ask,
            samples,
            args.output,
            batch_size=args.batch_size,
            max_broken_share=recipe.video.max_broken_share,
            faults=pool.faults,
        )
    texts = {name: [each.text] for name, each in answers.items()}
    truncated = {name: float(each.truncated) for name, each in answers.items()}
    found = score_answers(samples, texts, truncated=truncated, keep_samples=True)
    print(score_table(found.metrics))
    result: dict[str, Any] = dict(found.metrics)
    if protocol:
        numbers = beside(protocol, samples, texts)
        print(f"\n{numbers.text()}")
        result["protocol"] = numbers.record()
    result |= _set_aside(args.output, pool)
    judged = judge_answers(samples, texts, recipe.judge, args.output)
    if judged:
        print(f"\n{judged.table}")
        result |= {task: result[task] | values for task, values in judged.metrics.items()}
        result["judge"] = judged.record
    write_json(args.output / "scores.json", result)
    for row in found.per_sample:
        row |= judged.per_sample.get(row["id"], {}) if judged else {}
    write_jsonl(args.output / "per_sample.jsonl", found.per_sample)
    for text in warnings(found.metrics, max_new_tokens=recipe.eval.max_new_tokens):
        print(f"reeltune: WARNING: {text}", file=sys.stderr)
    return 0


@contextmanager
def _asking(args: argparse.Namespace, recipe: "Recipe", protocol: "Protocol | None") -> "Iterator[Ask]":
    """What answers: the model, by the recipe's engine, or whoever serves it."""
    from reeltune.build import build_answerer
    from reeltune.evaluation.endpoint import served
    from reeltune.evaluation.runner import asking
    from reeltune.rollout.reader import autocast

    put = protocol.prompt if protocol else None
    if args.endpoint:
        yield served(args.endpoint, args.model, recipe, sends=args.send, key_env=args.endpoint_key_env, put=put).answers
        return
    answerer = build_answerer(recipe)
    answerer.reader.put = put
    with closing(answerer.engine), autocast(answerer.policy.device, recipe.optim.precision):
        yield asking(answerer.reader, answerer.engine, max_new_tokens=recipe.eval.max_new_tokens)


def _samples(args: argparse.Namespace) -> str:
    """The samples file; a benchmark's annotations become DIR/samples.jsonl first."""
    from reeltune.data.formats import formats
    from reeltune.data.import_ import import_annotations
    from reeltune.errors import InputError

    path: str = args.samples
    if not args.annotations:
        if path in formats() and not Path(path).exists():
            raise InputError(
                f"eval of {path}: give its files with --annotations FILE --videos DIR, or give a samples.jsonl"
            )
        return path
    if args.videos is None:
        raise InputError("--annotations needs --videos, the folder of the benchmark's videos")
    output: Path = args.output / "samples.jsonl"
    imported = import_annotations(path, args.annotations, videos=args.videos, output=output)
    for text, count in imported.counts.items():
        print(f"reeltune: {count} {text}", file=sys.stderr)
    return str(output)


def _recipe(args: argparse.Namespace, path: str) -> "tuple[Recipe, Protocol | None]":
    """The settings: the recipe's, over them the protocol's, over them the command line's."""
    from reeltune.build import load_tasks
    from reeltune.config.recipe import parse_recipe
    from reeltune.config.tree import load_tree
    from reeltune.data.sources import asked_by

    def with_settings(settings: list[str]) -> "Recipe":
        fixed = [f"model.path={args.model}", f"data.train={path}", f"run.dir={args.output}"]
        told = args.recipe if args.endpoint else asked_by(args.recipe, args.model)
        tree = load_tree(told, [*fixed, *settings, *args.overrides])
        tree.setdefault("method", "sft")
        return parse_recipe(tree, where=str(args.recipe or "reeltune eval"))

    load_tasks(with_settings([]))
    protocol = _protocol(args, path)
    recipe = with_settings([f"{name}={value}" for name, value in protocol.settings.items()] if protocol else [])
    return recipe, protocol


def _protocol(args: argparse.Namespace, path: str) -> "Protocol | None":
    from reeltune.errors import InputError
    from reeltune.protocols.beside import protocol_of
    from reeltune.tasks import load_usable

    if not args.protocol:
        if args.prompts:
            raise InputError("--prompts goes with --protocol")
        return None
    samples: list[Sample] = load_usable(path).samples if Path(path).exists() else []
    return protocol_of(samples, args.protocol, args.prompts)


def _identity(protocol: "Protocol | None") -> str:
    """What the prompts of a protocol depend on."""
    if protocol is None:
        return ""
    words = "their words" if protocol.is_whole else "our words"
    return f"{protocol.benchmark}/{protocol.name}, {protocol.source}, {words}"


def _set_aside(output: Path, pool: "Pool") -> dict[str, int]:
    from reeltune.video.quarantine import Quarantine

    found = Quarantine(output / "quarantine.jsonl", 1.0)
    if not len(found):
        return {}
    print(
        f"reeltune: {len(found)} set aside ({len(pool.lines)} of them lines that are not valid samples; the "
        "others count as "
        f"wrong): {found.path}",
        file=sys.stderr,
    )
    return {"set_aside": len(found)}
