"""The judge of a training run: built when a reward needs it, its cost announced, its record kept."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from reeltune.config.recipe import Recipe
from reeltune.data.samples import Sample
from reeltune.errors import InputError
from reeltune.files import write_json
from reeltune.judges import Judge, build_judge
from reeltune.judges.base import Cost
from reeltune.judges.described import Described, described_cost
from reeltune.rewards.weights import Reward
from reeltune.tasks.captioning.task import PROXY_REWARD

CAPTIONING, CAPTION = "captioning", "caption"


def recipe_judge(recipe: Recipe, rewards: Mapping[str, Reward]) -> Judge | None:
    """The judge of a recipe. InputError when the reward `caption` has a weight and there is no judge to give it."""
    wanted = recipe.method == "grpo" and needs_judge(rewards)
    if wanted and recipe.judge.kind == "none":
        raise InputError(
            "the reward captioning.caption needs a judge: set judge.kind (openai, recorded, events for toyworld, "
            "lexical as a proxy), or rewards.weights.captioning.caption=0"
        )
    if not wanted and recipe.eval.data is None:
        return None
    config = recipe.judge
    if config.kind == "openai" and config.transcript is None:
        config = config.model_copy(update={"transcript": str(Path(recipe.run.dir) / "judge-transcript.jsonl")})
    return build_judge(config)


def needs_judge(rewards: Mapping[str, Reward]) -> bool:
    """Whether a reward of the run is a judge's to give."""
    return CAPTIONING in rewards and rewards[CAPTIONING].weights.get(CAPTION, 0.0) != 0.0


def named_rewards(rewards: Mapping[str, Reward], judge: Judge | None) -> dict[str, Reward]:
    """The rewards under the names they are paid by: what a proxy judge gives is called a proxy."""
    if judge is None or not judge.proxy or not needs_judge(rewards):
        return dict(rewards)
    own = rewards[CAPTIONING]
    weights = {PROXY_REWARD if name == CAPTION else name: weight for name, weight in own.weights.items()}
    return {**rewards, CAPTIONING: replace(own, weights=weights)}


def announce_cost(
    recipe: Recipe, judge: Judge | None, rewards: Mapping[str, Reward], samples: Sequence[Sample]
) -> None:
    """Print what the rewards of a GRPO run may cost at most. InputError above judge.budget_tokens."""
    captions = [sample for sample in samples if sample.task == CAPTIONING]
    if judge is None or recipe.method != "grpo" or not captions or not needs_judge(rewards):
        return
    cost = training_cost(recipe, judge, captions[0])
    if not cost.calls:
        return
    print(f"judge {judge.label}: {cost} for the rewards of {recipe.steps} steps", file=sys.stderr)
    if cost.tokens > recipe.judge.budget_tokens:
        raise InputError(
            f"judge.budget_tokens={recipe.judge.budget_tokens}: the rewards of this run may cost {cost.tokens} tokens; "
            "raise judge.budget_tokens to confirm, or train on fewer steps"
        )


def training_cost(recipe: Recipe, judge: Judge, sample: Sample) -> Cost:
    """At most: every completion as long as allowed and each one different, references like this sample's."""
    events = tuple(getattr(sample, "events", None) or ("an event of a few words",) * 10)
    longest = Described("word " * recipe.rl.max_new_tokens, getattr(sample, "caption", None) or "", events)
    one = described_cost(judge, [longest], precision=recipe.rewards.captioning.caption.measure == "f1")
    count = recipe.steps * recipe.rl.groups_per_step * recipe.rl.group_size
    calls = one.calls + one.free
    return replace(
        one,
        calls=calls * count,
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
