"""`reeltune score`: metrics of stored predictions. No model, no video, no GPU."""

import argparse
import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reeltune.commands.own_tasks import add_task_files, load_task_files
from reeltune.errors import InputError

if TYPE_CHECKING:
    from reeltune.evaluation.judging import Judged
    from reeltune.evaluation.second_annotation import Columns


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Score predictions: metrics with 95 % intervals, next to trivial baselines."
    parser.add_argument("samples", type=Path, help="samples.jsonl with the truth")
    parser.add_argument(
        "predictions",
        type=Path,
        help='JSON Lines of {"id": ..., "text": ...}, or what lmms-eval, VLMEvalKit or VideoChat-R1 wrote',
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write {task: {metric: value}} to this file")
    parser.add_argument("--per-sample", type=Path, metavar="FILE", help="write the scores of each sample to this file")
    parser.add_argument("--fit", type=Path, metavar="SAMPLES", help="samples to fit the baselines on")
    parser.add_argument("--resamples", type=int, default=1000, help="bootstrap draws; 0: no intervals")
    parser.add_argument("--seed", type=int, default=0, help="seed of the bootstrap")
    add_task_files(parser)
    parser.add_argument(
        "--label-noise",
        type=Path,
        metavar="FILE",
        help="with several completions per id: write to this file the gold answers that no completion matches "
        "although the completions agree",
    )
    parser.add_argument(
        "--protocol", metavar="NAME", help="also parse and average as this published protocol does: lmms-eval, ..."
    )
    parser.add_argument(
        "--also",
        type=Path,
        metavar="SAMPLES",
        help="a second annotation of the same videos and questions: score the same answers against it too",
    )
    add_judge_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from reeltune.evaluation.score import score
    from reeltune.evaluation.score_table import score_table
    from reeltune.files import write_json, write_jsonl

    load_task_files(args)
    gc.disable()  # a short process without cycles: collecting would look through every sample again and again
    found = score(
        args.samples,
        args.predictions,
        fit_on=args.fit,
        resamples=args.resamples,
        seed=args.seed,
        keep_samples=args.per_sample is not None,
    )
    for notice in found.notices:
        print(f"reeltune: {notice}", file=sys.stderr)
    print(score_table(found.metrics))
    result: dict[str, Any] = dict(found.metrics)
    if args.label_noise:
        from reeltune.evaluation.label_noise import as_rows, label_noise, summary
        from reeltune.evaluation.peers import read_answers
        from reeltune.tasks import load_usable

        samples = load_usable(args.samples).samples
        suspects = label_noise(samples, read_answers(args.predictions, samples))
        write_jsonl(args.label_noise, as_rows(suspects))
        print(f"\n{summary(suspects, len(samples))}\n  all of them, worst first: {args.label_noise}")
    if args.protocol:
        from reeltune.evaluation.peers import read_answers
        from reeltune.protocols.beside import beside, protocol_of
        from reeltune.tasks import load_usable

        samples = load_usable(args.samples).samples
        numbers = beside(protocol_of(samples, args.protocol), samples, read_answers(args.predictions, samples))
        print(f"\n{numbers.text()}")
        result["protocol"] = numbers.record()
    if args.also:
        columns = second_column(args)
        print(f"\n{columns.text()}")
        result["annotations"] = columns.record()
    if args.judge:
        judged = judge_predictions(args)
        print(f"\n{judged.table}")
        result |= {task: result[task] | values for task, values in judged.metrics.items()}
        result["judge"] = judged.record
        for row in found.per_sample:
            row |= judged.per_sample.get(row["id"], {})
    if args.json:
        write_json(args.json, result)
    if args.per_sample:
        write_jsonl(args.per_sample, found.per_sample)
    return 0


def second_column(args: argparse.Namespace) -> "Columns":
    """The answers against `args.samples` and `args.also`, over the questions that both ask."""
    from reeltune.evaluation.peers import read_answers
    from reeltune.evaluation.second_annotation import both_columns
    from reeltune.tasks import load_usable

    samples = load_usable(args.samples).samples
    return both_columns(samples, load_usable(args.also).samples, read_answers(args.predictions, samples))


def add_judge_arguments(parser: argparse.ArgumentParser) -> None:
    from reeltune.judges import JUDGES

    group = parser.add_argument_group("judged metrics")
    group.add_argument(
        "--judge",
        metavar="KIND",
        help=f"the judge: {', '.join(JUDGES)}, or file.py:object; none: only metrics that need no judge",
    )
    group.add_argument(
        "--judge-set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the recipe's judge section: base_url, model, transcript, prompts, budget_tokens, ...",
    )
    group.add_argument("--yes", action="store_true", help="continue even if the cost exceeds judge.budget_tokens")


def judge_predictions(args: argparse.Namespace) -> "Judged":
    """Judge `args.predictions` against `args.samples` as the options say.

    Raises InputError for settings that break a rule, without judged samples, and for a cost that is not confirmed.
    """
    from reeltune.evaluation.judging import judge_config, judge_samples, judged_samples
    from reeltune.evaluation.peers import read_answers
    from reeltune.judges import build_judge
    from reeltune.tasks import load_samples

    samples = load_samples(args.samples)
    if not judged_samples(samples):
        raise InputError(f"--judge: {args.samples} has no samples of a judged task; remove --judge")
    config = judge_config(args.judge, args.judge_set, default_transcript=Path(f"{args.predictions}.judge.jsonl"))
    judge = build_judge(config)
    if judge is None:
        raise InputError("--judge none: remove --judge, or name a judge")
    predictions = read_answers(args.predictions, samples)
    confirmed = {"budget": config.budget_tokens, "yes": args.yes}
    return judge_samples(samples, predictions, judge, **confirmed, resamples=args.resamples, seed=args.seed)
