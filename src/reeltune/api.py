"""The public API: a few verbs over the same objects that the commands use. `import reeltune as rt` imports it lazily.

import reeltune as rt

model = rt.load("toyworld:base")
samples = rt.samples("toyworld:train/temporal_grounding/visible")
groups = model.sample(samples[:2], 8, max_new_tokens=24)
rt.reward(groups)
print(groups[0].texts[0], groups[0].rewards.total)
"""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from reeltune.build import build_answerer, load_tasks
from reeltune.config.recipe import Recipe, RewardConfig, ToyworldConfig, parse_recipe
from reeltune.config.tree import apply_override, load_tree, rename
from reeltune.data.sources import asked_by, load_source
from reeltune.errors import InputError
from reeltune.evaluation.runner import Metrics, answer, answer_all, metrics_by_task
from reeltune.evaluation.score import score
from reeltune.judges.base import Judge
from reeltune.models.policy import Policy
from reeltune.models.shared_prefix.row import group_log_probs
from reeltune.rewards.recipe import recipe_rewards
from reeltune.rewards.score import score_groups
from reeltune.rewards.weights import Reward
from reeltune.rollout.engine import RolloutEngine, SamplingParams, derive_seed
from reeltune.rollout.group import Group
from reeltune.rollout.reader import InputReader, autocast
from reeltune.sample import Medium, Sample
from reeltune.tasks import load_task_file
from reeltune.tasks.question import put
from reeltune.training.checkpoint import list_checkpoints, trained_model
from reeltune.training.schedule import Schedule, make_schedule
from reeltune.training.train import train as run
from reeltune.video.quarantine import Quarantine

__all__ = ["Model", "ask", "evaluate", "load", "recipe", "reward", "samples", "schedule", "score", "train"]

Shown = str | Path | Medium | Sequence[str | Path | Medium]


@dataclass
class Model:
    """A loaded model with its input reader and rollout engine, under the settings of one recipe."""

    recipe: Recipe
    policy: Policy
    reader: InputReader
    engine: RolloutEngine

    def groups(self, samples: Sequence[Sample], *, step: int = 0) -> list[Group]:
        """One group per sample, with prompt and features but no completions. Each video is decoded and encoded once.

        The random numbers of a group depend only on the recipe's seed, `step` and the sample's id. Raises SampleError
        if a sample cannot be used.
        """
        prompts = [self.reader.prompt(each) for each in samples]
        seeds = [derive_seed(self.recipe.seed, "rollout", step, each.id) for each in samples]
        with self._autocast():
            features = self.reader.encode(prompts)
        rows = zip(samples, prompts, features, seeds, strict=True)
        return [Group(sample=a, prompt=b, features=c, seed=d) for a, b, c, d in rows]

    def sample(
        self, samples: Sequence[Sample], count: int | None = None, *, step: int = 0, **settings: Any
    ) -> list[Group]:
        """Sample `count` completions per sample (default: rl.group_size), with one prefill per prompt.

        `settings`: temperature, top_p, top_k, max_new_tokens; the defaults are the recipe's.
        """
        rl = self.recipe.rl
        chosen = {name: getattr(rl, name) for name in ("temperature", "top_p", "top_k", "max_new_tokens")} | settings
        params = SamplingParams(**chosen, banned=tuple(self.policy.banned.tolist()))
        groups = self.groups(samples, step=step)
        with self._autocast():
            found = self.engine.generate([group.request for group in groups], count or rl.group_size, params)
        for group, rollout in zip(groups, found, strict=True):
            group.fill(rollout)
        return groups

    def log_probs(self, groups: Sequence[Group]) -> list[Tensor]:
        """Log-probs [G, C] of each group's completion tokens, with gradient; one prefill per prompt, 0 at padding."""
        with self._autocast():
            return group_log_probs(self.policy, groups, temperature=self.recipe.temperature)

    def ask(self, media: Shown, question: str, *, task: str | None = None, max_new_tokens: int = 256) -> str:
        """The greedy answer to a question about a video, an image, a `Medium`, several of these, or none (`()`).

        `task`: ask in the words of this task ("temporal_grounding", ...), as its samples do. Raises VideoError if a
        medium cannot be used, InputError for a task whose prompt needs more than a question.
        """
        shown = (media,) if isinstance(media, str | Path | Medium) else tuple(media)
        if task is not None:
            question = put(task, None, question, self.recipe.data.mode)
        prompt = self.reader.ask(question, *shown)
        with self._autocast():
            [found] = answer(self.reader, self.engine, [prompt], max_new_tokens=max_new_tokens)
        if isinstance(found, str):
            raise InputError(found)
        return found.text

    def close(self) -> None:
        """Release the resources of the engine, such as a server. `with rt.load(...) as model:` does this on exit."""
        self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _autocast(self) -> AbstractContextManager[object]:
        """The precision of training, evaluation and rollouts under the recipe: optim.precision."""
        return autocast(self.policy.device, self.recipe.optim.precision)

    def save(self, directory: str | Path) -> None:
        """Write a standard Hugging Face directory."""
        self.policy.save(Path(directory))


def recipe(path: str | Path | Mapping[str, Any] | None = None, *overrides: str) -> Recipe:
    """A recipe from a YAML file or a mapping; `overrides` are `section.key=value`. Raises InputError if invalid."""
    if isinstance(path, Mapping):
        tree: dict[str, Any] = deepcopy(dict(path))
        for each in overrides:
            apply_override(tree, each)
        rename(tree)
    else:
        tree = load_tree(None if path is None else Path(path), overrides)
    tree.setdefault("method", "grpo")
    # A model alone needs no data; training on "-" fails at once, since there is no such file.
    if isinstance(tree.setdefault("data", {}), dict):
        tree["data"].setdefault("train", "-")
    return parse_recipe(tree, where="recipe" if path is None or isinstance(path, Mapping) else str(path))


def load(model: "str | Path | Recipe", *overrides: str) -> Model:
    """Load a model directory, `toyworld:base`, or a recipe's model, with its input reader and rollout engine.

    A checkpoint keeps the settings it was trained with (mode, frames, limits) unless `overrides` change them. Uses a
    GPU if there is one. Raises InputError for an incomplete directory.
    """
    own = model if isinstance(model, Recipe) else recipe(asked_by(None, str(model)), f"model.path={model}", *overrides)
    _no_overrides(model, overrides)
    load_tasks(own)
    answerer = build_answerer(own, freeze=False)
    return Model(own, answerer.policy, answerer.reader, answerer.engine)


def _no_overrides(source: object, overrides: Sequence[str]) -> None:
    if overrides and isinstance(source, Recipe):
        raise InputError(
            f"overrides need the path of a recipe; a Recipe object is used unchanged (got {overrides[0]!r})"
        )


def samples(path: str | Path, *, tasks: Sequence[str] = (), toyworld: ToyworldConfig | None = None) -> list[Sample]:
    """The samples of a samples.jsonl or of `toyworld:SPLIT/TASK`; `tasks` are files with your own tasks.

    Raises InputError if one cannot be used, unlike `reeltune.train` and `evaluate`, which skip and count a few.
    """
    for each in tasks:
        load_task_file(each)
    return load_source(str(path), toyworld or ToyworldConfig()).require(0.0).samples


def schedule(recipe: Recipe, sizes: Sequence[int]) -> Schedule:
    """Which samples each step of the recipe draws from sources of these `sizes`; `.step(n)` gives their indices."""
    steps, per_step = recipe.steps, recipe.samples_per_step
    return make_schedule(sizes, recipe.data.train, steps=steps, per_step=per_step, seed=recipe.seed)


def reward(groups: Sequence[Group], recipe: Recipe | None = None, *, judge: Judge | None = None) -> None:
    """Set `group.rewards` of every group, using the rewards of a recipe or the defaults of the tasks."""
    config, mode = (recipe.rewards, recipe.data.mode) if recipe else (RewardConfig(), "direct")
    rewards: dict[str, Reward] = recipe_rewards(config, {group.sample.task for group in groups}, mode)
    scored = score_groups(rewards, [each.sample for each in groups], [each.texts for each in groups], judge=judge)
    for group, found in zip(groups, scored, strict=True):
        group.rewards = found


def train(source: "str | Path | Recipe", *overrides: str, resume: bool = False) -> Path:
    """Run a recipe like `reeltune train`, and return the directory of the trained model."""
    own = source if isinstance(source, Recipe) else recipe(source, *overrides)
    _no_overrides(source, overrides)
    if not run(own, resume=resume):
        raise KeyboardInterrupt(f"the run was interrupted; continue it with resume=True ({own.run.dir})")
    return trained_model(list_checkpoints(Path(own.run.dir) / "checkpoints")[-1])


def evaluate(model: "Model | str | Path", samples: Sequence[Sample], *, judge: Judge | None = None) -> Metrics:
    """Evaluate greedy answers: task -> metric -> percent. A sample whose video cannot be read counts as wrong."""
    own = model if isinstance(model, Model) else load(model)
    with tempfile.TemporaryDirectory() as folder:
        quarantine = Quarantine(Path(folder) / "quarantine.jsonl", own.recipe.video.max_broken_share)
        limit = own.recipe.eval.max_new_tokens
        with own._autocast(), nullcontext() if own is model else closing(own):
            found = answer_all(own.reader, own.engine, samples, max_new_tokens=limit, quarantine=quarantine)
    return metrics_by_task(samples, found, judge)


def ask(
    model: "Model | str | Path", media: Shown, question: str, *, task: str | None = None, max_new_tokens: int = 256
) -> str:
    """A model's greedy answer to a question about a video, an image or several; see `Model.ask`."""
    if isinstance(model, Model):
        return model.ask(media, question, task=task, max_new_tokens=max_new_tokens)
    with load(model) as own:
        return own.ask(media, question, task=task, max_new_tokens=max_new_tokens)
