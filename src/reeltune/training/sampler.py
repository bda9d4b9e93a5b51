"""From a step's prompts to its sampled groups: in the step itself, or up to n steps before it.

With `rollout.max_staleness` n > 0 the completions of step s + n are drawn while step s updates, by the weights before
that update; they are done before new weights are published. So each step's completions come from weights of exactly n
updates ago (fewer in the first n steps), nothing depends on how fast anything is, and a checkpoint that holds what was
drawn ahead is resumed exactly. An engine that computes with the learner's own weights draws before the update: the same
numbers, without the time gained.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from reeltune.config.rl import RLConfig
from reeltune.errors import NoServers, SampleError
from reeltune.models.types import Completions
from reeltune.rollout.engine import Rollout, RolloutEngine, SamplingParams, Unanswered, computes_beside
from reeltune.rollout.group import Group
from reeltune.rollout.reader import autocast
from reeltune.training.faults import name_memory, require_finite
from reeltune.training.learner import Learner
from reeltune.training.prompts import PromptSource


@dataclass
class Sampler:
    """Sampled groups, step by step; every process samples its own. `restored`: what a checkpoint drew ahead."""

    source: PromptSource
    engine: RolloutEngine
    learner: Learner
    config: RLConfig
    restored: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    _ahead: dict[int, list[Group]] = field(default_factory=dict, init=False)

    @property
    def staleness(self) -> int:
        return self.learner.recipe.rollout.max_staleness

    def take(self, step: int) -> tuple[list[Group], bool]:
        """This step's groups, and whether their prompts' graphs are kept for the update."""
        if self.staleness == 0:
            groups = self._prompts(step)
            keep = self._keeps_prompts(groups)
            self.sample(step, groups, keep_graph=keep)
            return groups, keep
        for number in range(step, min(step + self.staleness, self.learner.recipe.steps)):
            if number not in self._ahead:
                self._ahead[number] = self._drawn_or_restored(number)
        groups = self._ahead.pop(step)
        # The tower may have changed since; its features need a graph in any case.
        if not self.learner.sharded:
            self.source.renew_features(groups)
        return groups, False

    @contextmanager
    def ahead(self, step: int) -> Iterator[None]:
        """While entered, step `step` updates and the completions of a later one are drawn."""
        later = step + self.staleness
        if self.staleness == 0 or later >= self.learner.recipe.steps or later in self._ahead:
            yield
            return
        with autocast(self.learner.world.device, self.learner.precision):
            groups = self._prompts(later)
        if not computes_beside(self.engine):
            with autocast(self.learner.world.device, self.learner.precision):
                self.sample(later, groups, keep_graph=False)
            yield
        else:
            with ThreadPoolExecutor(1, "rollouts") as thread:
                drawn = thread.submit(self._generate, groups, keep_graph=False)
                yield
                try:
                    with self.learner.phases("waiting for rollouts"):
                        self._fill(later, groups, self._answered(later, groups, drawn, keep_graph=False))
                except NoServers:
                    # This step's update is done and shall be written down: the step that needs them asks again.
                    return
        self._ahead[later] = groups

    def sample(self, step: int, groups: list[Group], *, keep_graph: bool) -> None:
        """Draw the completions of these groups now."""
        with self.learner.phases("rollout"), name_memory(groups, step=step, doing="sampling completions"):
            found = self._answered(step, groups, self._try(groups, keep_graph=keep_graph), keep_graph=keep_graph)
        self._fill(step, groups, found)

    def _prompts(self, step: int) -> list[Group]:
        with self.learner.phases("videos and prompts"), self.learner.reading():
            groups = self.source.next(step)
        if self.staleness and not self.learner.policy.vision_frozen:
            for group in groups:
                group.features = group.features.detach()
        return groups

    def _generate(self, groups: Sequence[Group], *, keep_graph: bool) -> list[Rollout]:
        config, policy = self.config, self.learner.policy
        params = SamplingParams(
            config.temperature, config.top_p, config.top_k, config.max_new_tokens, tuple(policy.banned.tolist())
        )
        # An engine that computes with weights in parts is called by every process, also by one without groups.
        asks = bool(groups) or (self.learner.sharded and not computes_beside(self.engine))
        requests = [group.request for group in groups]
        return self.engine.generate(requests, config.group_size, params, keep_graph=keep_graph) if asks else []

    def _try(self, groups: Sequence[Group], *, keep_graph: bool) -> "Future[list[Rollout]]":
        drawn: Future[list[Rollout]] = Future()
        try:
            drawn.set_result(self._generate(groups, keep_graph=keep_graph))
        except (Unanswered, NoServers) as error:
            drawn.set_exception(error)
        return drawn

    def _answered(
        self, step: int, groups: list[Group], drawn: "Future[list[Rollout]]", *, keep_graph: bool
    ) -> list[Rollout]:
        """What was drawn. A group whose request is given up is set aside for another sample, which is asked in turn;
        where one process finds too few servers, all of them stop together."""
        found: dict[int, Rollout] = {}
        todo = list(range(len(groups)))
        while True:
            lost, reasons = "", dict[int, str]()
            try:
                found |= dict(zip(todo, drawn.result(), strict=True))
            except Unanswered as error:
                found |= {todo[index]: each for index, each in error.found.items()}
                reasons = {todo[index]: reason for index, reason in error.reasons.items()}
            except NoServers as error:
                lost = str(error)
            beside = computes_beside(self.engine)
            # Every process goes around equally often.
            others = self.learner.world.gather([(lost, bool(reasons))]) if beside else [(lost, bool(reasons))]
            for each, _ in others:
                if each:
                    raise NoServers(each)
            if not any(again for _, again in others):
                return [found[index] for index in range(len(groups))]
            for index, reason in reasons.items():
                groups[index] = self.source.another(step, index, groups[index].sample, SampleError(reason))
            todo = list(reasons)
            drawn = self._try([groups[index] for index in todo], keep_graph=keep_graph)

    def _fill(self, step: int, groups: Sequence[Group], found: Sequence[Rollout]) -> None:
        for group, rollout in zip(groups, found, strict=True):
            group.fill(rollout)
            require_finite({"the rollout's log-probs": group.log_probs}, step=step, sample=group.sample.id)

    def _keeps_prompts(self, groups: Sequence[Group]) -> bool:
        """Whether the update goes on from the rollout's prompts instead of computing them again (our choice).

        For the whole step, resampled prompts too. One update only: after it the weights are others. All groups within
        one pass: the update alone would hold as much at once, were every group informative. Checkpointing would
        recompute in the backward what this saves. With weights in parts never: the graph would hold the whole ones.
        """
        longest = self.config.group_size * self.config.max_new_tokens
        tokens = sum(len(group.prompt) + longest for group in groups)
        once = self.config.updates_per_rollout == 1 and not self.learner.sharded
        return once and tokens <= self.learner.budget and not self.learner.policy.gradient_checkpointing

    # What a checkpoint keeps

    def state(self) -> dict[str, Any]:
        """What was drawn ahead, of all processes; each calls it. Nothing in a synchronous run."""
        if not self.staleness:
            return {}
        steps = [
            {"step": step, "groups": self.learner.world.gather([_stored(group) for group in groups])}
            for step, groups in sorted(self._ahead.items())
        ]
        return {"drawn_ahead": steps}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint's `state`, of any number of processes."""
        self.restored = {int(each["step"]): each["groups"] for each in state.get("drawn_ahead", [])}

    def _drawn_or_restored(self, step: int) -> list[Group]:
        """The groups of a step that is not drawn yet: from the checkpoint where it holds them, else drawn now."""
        groups = self._prompts(step)
        stored = self.restored.pop(step, [])
        share = self.source.share
        mine = stored[share.start : share.stop]
        same = [each["id"] for each in mine] == [group.sample.id for group in groups]
        # All processes draw anew or none: drawing is done together.
        if all(self.learner.world.gather([same])):
            tokenizer = self.learner.policy.tokenizer
            for group, each in zip(groups, mine, strict=True):
                group.fill(_restored(each, tokenizer, self.learner.policy.stop_ids))
        else:
            self.sample(step, groups, keep_graph=False)
        return groups


def _stored(group: Group) -> dict[str, Any]:
    """Float32 goes through JSON unchanged."""
    return {
        "id": group.sample.id,
        "tokens": [row[mask].tolist() for row, mask in zip(group.completions.ids, group.completions.mask, strict=True)],
        "log_probs": [row[mask].tolist() for row, mask in zip(group.log_probs, group.completions.mask, strict=True)],
        "truncated": group.truncated.tolist(),
        "version": group.version,
    }


def _restored(stored: Mapping[str, Any], tokenizer: Any, stop_ids: Sequence[int]) -> Rollout:
    rows: list[list[int]] = stored["tokens"]
    completions = Completions.from_lists(rows)
    log_probs = torch.zeros(completions.ids.shape)
    for index, values in enumerate(stored["log_probs"]):
        log_probs[index, : len(values)] = torch.tensor(values)
    texts = [tokenizer.decode(row[:-1] if row[-1] in stop_ids else row, skip_special_tokens=False) for row in rows]
    truncated = torch.tensor(stored["truncated"])
    return Rollout(completions, log_probs, truncated, texts, version=stored["version"])
