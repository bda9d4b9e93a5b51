"""`reeltune eval`: a model's answers to samples, then their scores. Imports nothing heavy before it runs."""

import argparse
import sys
from contextlib import closing
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Run a model on samples (greedy), write DIR/predictions.jsonl, then score it; what only a judge can "
        "score, by the judge of the recipe."
    )
    parser.add_argument("model", help="a Hugging Face directory, or toyworld:base")
    parser.add_argument("samples", help="samples.jsonl, or toyworld:SPLIT/TASK")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--recipe", type=Path, help="take model, data and video settings from this recipe")
    parser.add_argument("--batch-size", type=int, default=64, help="samples answered together")
    parser.add_argument("overrides", nargs="*", metavar="section.key=value", help="settings, as in a recipe")


def run(args: argparse.Namespace) -> int:
    from reeltune.build import build_answerer, load_tasks, model_directory
    from reeltune.config.recipe import parse_recipe
    from reeltune.config.tree import load_tree
    from reeltune.data.sources import load_source
    from reeltune.evaluation.judging import judge_answers
    from reeltune.evaluation.runner import predict, warnings
    from reeltune.evaluation.score import score_answers
    from reeltune.evaluation.score_table import score_table
    from reeltune.files import write_json, write_jsonl
    from reeltune.provenance import claim_evaluation
    from reeltune.rollout.reader import autocast
    from reeltune.video.quarantine import Quarantine

    fixed = [f"model.path={args.model}", f"data.train={args.samples}", f"run.dir={args.output}"]
    tree = load_tree(args.recipe, [*fixed, *args.overrides])
    tree.setdefault("method", "sft")
    recipe = parse_recipe(tree, where=str(args.recipe or "reeltune eval"))
    load_tasks(recipe)
    pool = load_source(args.samples, recipe.toyworld).require(recipe.video.max_broken_share)
    samples = pool.samples
    claim_evaluation(args.output, recipe, model_directory(recipe), samples)
    answerer = build_answerer(recipe)
    with closing(answerer.engine), autocast(answerer.policy.device, recipe.optim.precision):
        answers = predict(
            answerer.reader,
            answerer.engine,
            samples,
            args.output,
            max_new_tokens=recipe.eval.max_new_tokens,
            batch_size=args.batch_size,
            max_broken_share=recipe.video.max_broken_share,
            faults=pool.faults,
        )
    texts = {name: [each.text] for name, each in answers.items()}
    truncated = {name: float(each.truncated) for name, each in answers.items()}
    found = score_answers(samples, texts, truncated=truncated, keep_samples=True)
    print(score_table(found.metrics))
    result: dict[str, Any] = dict(found.metrics)
    set_aside = Quarantine(args.output / "quarantine.jsonl", 1.0)
    if len(set_aside):
        result["set_aside"] = len(set_aside)
        print(
            f"reeltune: {len(set_aside)} set aside ({len(pool.lines)} of them lines that make no sample; the others "
            f"count as wrong): {set_aside.path}",
            file=sys.stderr,
        )
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
