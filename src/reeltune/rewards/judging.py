"""The judge of a run: built when a reward needs it, its cost announced, its record kept. Which task asks is its own."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from reeltune.config.recipe import Recipe
from reeltune.errors import InputError
from reeltune.files import write_json
from reeltune.judges import JUDGES, Judge, build_judge
from reeltune.judges.base import Cost
from reeltune.rewards.score import needs_judge
from reeltune.rewards.weights import Reward
from reeltune.sample import Sample


def recipe_judge(recipe: Recipe, rewards: Mapping[str, Reward]) -> Judge | None:
    """The judge of a recipe, for its rewards or its evaluation; None where neither needs one.

    InputError when a reward with a weight is a judge's to give and none is set, and for an unknown judge.
    """
    if recipe.judge.kind != "none":
        JUDGES.get(recipe.judge.kind)  # a misspelt one is told even where nobody asks it
    wanted = recipe.samples_completions and needs_judge(rewards)
    if wanted and recipe.judge.kind == "none":
        task, reward = next((name, each.judged[0]) for name, each in rewards.items() if each.judged)
        raise InputError(
            f"the reward {task}.{reward} needs a judge: set judge.kind ({', '.join(JUDGES)}, or file.py:object of your "
            f"own), or rewards.weights.{task}.{reward}=0"
        )
    if not wanted and recipe.eval.data is None:
        return None
    config = recipe.judge
    if config.kind == "openai" and config.transcript is None:
        config = config.model_copy(update={"transcript": str(Path(recipe.run.dir) / "judge-transcript.jsonl")})
    return build_judge(config)


def announce_cost(
    recipe: Recipe, judge: Judge | None, rewards: Mapping[str, Reward], samples: Sequence[Sample]
) -> None:
    """Print what the rewards of a GRPO run may cost at most. InputError above judge.budget_tokens."""
    if judge is None or not recipe.samples_completions:
        return
    cost = training_cost(recipe, judge, rewards, samples)
    if not cost.calls:
        return
    print(f"judge {judge.label}: {cost} for the rewards of {recipe.steps} steps", file=sys.stderr)
    if cost.tokens > recipe.judge.budget_tokens:
        raise InputError(
            f"judge.budget_tokens={recipe.judge.budget_tokens}: the rewards of this run may cost {cost.tokens} tokens; "
            "raise judge.budget_tokens to confirm, or train on fewer steps"
        )


def training_cost(recipe: Recipe, judge: Judge, rewards: Mapping[str, Reward], samples: Sequence[Sample]) -> Cost:
    """At most: every completion as long as allowed and each one different, all of the task that costs most, with
    references like its first sample's."""
    first = {sample.task: sample for sample in reversed(samples) if rewards[sample.task].judged}
    each = [
        rewards[task].task.judge_cost(sample, recipe.rl.max_new_tokens, judge, rewards[task].options)
        for task, sample in first.items()
    ]
    one = max(each, key=lambda cost: (cost.tokens, cost.calls + cost.free), default=Cost())
    count = recipe.steps * recipe.rl.groups_per_step * recipe.group_size
    return replace(
        one,
        calls=(one.calls + one.free) * count,
        prompt_tokens=one.prompt_tokens * count,
        completion_tokens=one.completion_tokens * count,
        free=0,
    )


def write_judge_record(run_dir: Path, judge: Judge | None) -> None:
    """RUN/judge.json: who judged and how it fared, one entry for each time the run was started."""
    if judge is not None:
        path = run_dir / "judge.json"
        earlier = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        write_json(path, [*earlier, judge.record()])
