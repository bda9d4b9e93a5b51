"""The judge of a run: built when a reward needs it, its cost announced, its record kept. Which task asks is its own."""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from reeltune.answers.final_answer import wrap
from reeltune.config.recipe import Recipe
from reeltune.errors import InputError
from reeltune.files import write_json
from reeltune.judges import JUDGES, TRANSCRIPT, Judge, build_judge
from reeltune.judges.base import Cost
from reeltune.rewards.score import needs_judge
from reeltune.rewards.weights import Reward
from reeltune.sample import Sample
from reeltune.tasks import get_task


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
            f"the reward {task}.{reward} needs a judge: set judge.kind ({', '.join(JUDGES)}, or file.py:object), "
            f"or rewards.weights.{task}.{reward}=0"
        )
    if not wanted and recipe.eval.data is None:
        return None
    return build_judge(recipe.judge.kept_at(Path(recipe.run.dir) / TRANSCRIPT))


def announce_cost(
    recipe: Recipe,
    judge: Judge | None,
    rewards: Mapping[str, Reward],
    samples: Sequence[Sample],
    held_out: Sequence[Sample],
) -> None:
    """Print what the rewards and the evaluations of a run may cost at most. InputError above judge.budget_tokens."""
    if judge is None:
        return
    cost = training_cost(recipe, judge, rewards, samples) if recipe.samples_completions else Cost()
    cost += evaluation_cost(recipe, judge, held_out)
    require_budget(
        judge,
        cost,
        recipe.judge.budget_tokens,
        what=f"the rewards and evaluations of {recipe.steps} steps",
        less="train for fewer steps, or evaluate less often (eval.every)",
    )


def require_budget(judge: Judge, cost: Cost, budget: int, *, what: str, less: str) -> None:
    """Print what something may cost. InputError above the budget; `less` says how it costs less."""
    if not cost.calls:
        return
    print(f"judge {judge.label}: {cost} for {what}", file=sys.stderr)
    if cost.tokens > budget:
        raise InputError(
            f"judge.budget_tokens={budget}: {what} may cost {cost.tokens} tokens; raise judge.budget_tokens to "
            f"confirm, or {less}"
        )


def training_cost(recipe: Recipe, judge: Judge, rewards: Mapping[str, Reward], samples: Sequence[Sample]) -> Cost:
    """At most: every group asked again that may be, and its gold completion judged too."""
    groups = recipe.rl.groups_per_step + (recipe.rl.skipping.max_resampled if recipe.rl.skipping else 0)
    gold = recipe.rl.gold_in_group != "never"
    count = recipe.steps * groups * (recipe.group_size + gold)
    return completions_cost(judge, rewards, samples, words=recipe.rl.max_new_tokens, count=count)


def completions_cost(
    judge: Judge, rewards: Mapping[str, Reward], samples: Sequence[Sample], *, words: int, count: int
) -> Cost:
    """Of `count` completions at most: every one as long as allowed and different, all of the task that costs most, with
    references like its first sample's."""
    first = {sample.task: sample for sample in reversed(samples) if rewards[sample.task].judged}
    each = [
        rewards[task].task.judge_cost(sample, words, judge, rewards[task].options) for task, sample in first.items()
    ]
    one = max(each, key=_size, default=Cost())
    return _times(one, count)


def evaluation_cost(recipe: Recipe, judge: Judge, held_out: Sequence[Sample]) -> Cost:
    """At most, of all evaluations during the run: every answer as long as allowed, and another each time."""
    every = recipe.eval.every
    if not every:
        return Cost()
    once = sum((_answer_cost(sample, recipe.eval.max_new_tokens, judge) for sample in held_out), Cost())
    return _times(once, 1 + math.ceil(recipe.steps / every))


def _answer_cost(sample: Sample, words: int, judge: Judge) -> Cost:
    """Of the longest answer; of the gold one, where a task does not read the longest as an answer."""
    task = get_task(sample.task)
    if not task.judged:
        return Cost()
    mode = task.modes[0]
    texts = (wrap("word " * words, mode, thought="word"), task.gold(sample, mode))
    return max((task.judged_cost([sample], [[text]], judge) for text in texts), key=_size)


def _size(cost: Cost) -> tuple[int, int]:
    return cost.tokens, cost.calls + cost.free


def _times(cost: Cost, count: int) -> Cost:
    """So often, and nothing of it known before."""
    return Cost((cost.calls + cost.free) * count, cost.prompt_tokens * count, cost.completion_tokens * count)


def write_judge_record(run_dir: Path, judge: Judge | None) -> None:
    """RUN/judge.json: who judged and how it fared, one entry for each time the run was started."""
    if judge is not None:
        path = run_dir / "judge.json"
        earlier = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        write_json(path, [*earlier, judge.record()])
