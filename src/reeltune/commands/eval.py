"""`reeltune eval`: a model's answers to samples, then their scores. Imports nothing heavy before it runs."""

import argparse
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Run a model on samples (greedy), write DIR/predictions.jsonl, then score it; captions also by the judge of "
        "the recipe."
    )
    parser.add_argument("model", help="a Hugging Face directory, or toyworld:base")
    parser.add_argument("samples", help="samples.jsonl, or toyworld:SPLIT/TASK")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--recipe", type=Path, help="take model, data and video settings from this recipe")
    parser.add_argument("--batch-size", type=int, default=64, help="samples answered together")
    parser.add_argument("overrides", nargs="*", metavar="section.key=value", help="settings, as in a recipe")


def run(args: argparse.Namespace) -> int:
    import torch

    from reeltune.config.recipe import parse_recipe
    from reeltune.config.tree import load_tree
    from reeltune.data.sources import load_source, resolve_model
    from reeltune.evaluation.identity import claim, identify
    from reeltune.evaluation.judging import judge_answers
    from reeltune.evaluation.runner import predict
    from reeltune.evaluation.score import score_answers
    from reeltune.evaluation.score_table import score_table
    from reeltune.files import write_json
    from reeltune.rollout.hf import HFEngine
    from reeltune.rollout.reader import autocast
    from reeltune.tasks import load_task_file
    from reeltune.training.launch import load_recipe_policy, make_reader

    fixed = [f"model.path={args.model}", f"data.train={args.samples}", f"run.dir={args.output}"]
    tree = load_tree(args.recipe, [*fixed, *args.overrides])
    tree.setdefault("method", "sft")
    recipe = parse_recipe(tree, where=str(args.recipe or "reeltune eval"))
    for path in recipe.data.tasks:
        load_task_file(path)
    samples = load_source(args.samples, recipe.toyworld)
    claim(args.output, identify(recipe, resolve_model(recipe.model.path, recipe.toyworld), samples))
    policy = load_recipe_policy(recipe).to("cuda" if torch.cuda.is_available() else "cpu")
    policy.freeze_vision()
    with autocast(policy.device, recipe.optim.precision):
        texts = predict(
            make_reader(policy, recipe),
            HFEngine(policy, token_budget=recipe.packing.rollout_tokens),
            samples,
            args.output,
            max_new_tokens=recipe.eval.max_new_tokens,
            batch_size=args.batch_size,
            max_broken_share=recipe.video.max_broken_share,
        )
    found = score_answers(samples, texts)
    print(score_table(found.metrics))
    result: dict[str, Any] = dict(found.metrics)
    judged = judge_answers(samples, texts, recipe.judge, args.output)
    if judged:
        print(f"\n{judged.table}")
        result["captioning"] = result["captioning"] | judged.metrics
        result["judge"] = judged.record
    write_json(args.output / "scores.json", result)
    return 0
