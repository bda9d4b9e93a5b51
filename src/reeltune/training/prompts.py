"""Where a step's prompts come from: the schedule, less what is unreadable or never informative, and again on demand.

Which samples a step asks about is the same on every process: it depends on the schedule and on the history of the
prompts, which all of them know, never on what one process can or cannot read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reeltune.distributed.world import World, share_of
from reeltune.errors import InputError, SampleError
from reeltune.models.types import Prompt
from reeltune.rollout.engine import derive_seed
from reeltune.rollout.group import Group
from reeltune.rollout.reader import InputReader
from reeltune.sample import Sample
from reeltune.training.prompt_history import PromptHistory, is_zero_variance
from reeltune.training.schedule import Schedule
from reeltune.video.quarantine import Quarantine

MAX_SUBSTITUTES = 100


@dataclass(frozen=True)
class Slot:
    """A place of the step and the sample that fills it. `attempt` counts its substitutes."""

    place: int
    index: int
    attempt: int = 0


class StepDraw:
    """Draws for one step; `skipped` and `resampled` count the slots that history and zero-variance groups changed."""

    def __init__(
        self, step: int, schedule: Schedule, samples: Sequence[Sample], history: PromptHistory | None = None
    ) -> None:
        self.step = step
        self.schedule = schedule
        self.samples = samples
        self.history = history
        self.skipped = 0
        self.resampled = 0
        self._slots = [Slot(place, index) for place, index in enumerate(schedule.step(step))]
        self._used = {slot.index for slot in self._slots}

    def first(self) -> list[Slot]:
        """A slot for each place, in order: the scheduled sample, or the first substitute that is not skipped."""
        for slot in list(self._slots):
            if self._skips(slot) and (other := self._substitute(slot)):
                self._slots[slot.place] = other
                self.skipped += 1
        return list(self._slots)

    def replace(self, without_signal: Sequence[bool]) -> list[Slot]:
        """Substitutes for the places whose group gave no signal, as many as `max_resampled` still allows.

        `without_signal` [places]: of all processes, so that each draws the same.
        """
        limit = self.history.config.max_resampled - self.resampled if self.history else 0
        found: list[Slot] = []
        for slot in [each for each in self._slots if without_signal[each.place]]:
            other = self._substitute(slot) if len(found) < limit else None
            if other:
                self._slots[slot.place] = other
                found.append(other)
        self.resampled += len(found)
        return found

    def metrics(self, group_size: int) -> dict[str, float]:
        """`rollouts_saved`: what the scheduled prompts that were skipped would have cost; substitutes that were
        skipped in turn are not counted."""
        return {
            "prompts_skipped": float(self.skipped),
            "groups_resampled": float(self.resampled),
            "rollouts": float((len(self._slots) + self.resampled) * group_size),
            "rollouts_saved": float(self.skipped * group_size),
        }

    def _skips(self, slot: Slot) -> bool:
        if self.history is None:
            return False
        sample_id = self.samples[slot.index].id
        return self.history.skips(sample_id, step=self.step, place=slot.place, attempt=slot.attempt)

    def _substitute(self, slot: Slot) -> Slot | None:
        """The next sample that the step has not used and the history lets pass; None: there seems to be none."""
        for number in range(1, MAX_SUBSTITUTES + 1):
            attempt = slot.attempt + number * MAX_SUBSTITUTES
            other = Slot(slot.place, self.schedule.substitute(self.step, slot.place, attempt), attempt)
            if other.index not in self._used and not self._skips(other):
                self._used.add(other.index)
                return other
        return None


class PromptSource:
    """Yields the groups of a step, this process's share of them, prompts and features in place."""

    def __init__(
        self,
        samples: Sequence[Sample],
        schedule: Schedule,
        reader: InputReader,
        quarantine: Quarantine,
        world: World,
        *,
        seed: int,
        history: PromptHistory | None = None,
    ) -> None:
        self.samples = samples
        self.schedule = schedule
        self.reader = reader
        self.quarantine = quarantine
        self.world = world
        self.seed = seed
        self.history = history

    def next(self, step: int) -> list[Group]:
        """This process's groups of step `step`: the scheduled samples, or substitutes for those that are skipped."""
        self.step = step
        self.draw = StepDraw(step, self.schedule, self.samples, self.history)
        groups = self._groups(self.draw.first())
        self.reader.ahead.want(self._expected(step + 1))
        return groups

    def _expected(self, step: int) -> list[Sample]:
        """This process's samples of a step as far as they are known before it: history may skip others by then."""
        if step >= len(self.schedule.draws):
            return []
        slots = StepDraw(step, self.schedule, self.samples, self.history).first()
        mine = [self.samples[slot.index] for slot in slots if slot.place in self.share]
        return [sample for sample in mine if sample.id not in self.quarantine]

    def close(self) -> None:
        """End what reads ahead."""
        self.reader.ahead.close()

    def resample(self, groups: Sequence[Group]) -> dict[int, Group] | None:
        """Fresh groups, by their place in `groups`, for those whose rewards have no variance, as long as
        rl.skipping.max_resampled allows; None when no process gets any. Called on every process equally often.
        """
        if self.history is None:
            return None
        min_std = self.history.config.min_std
        slots = self.draw.replace(self.world.gather([is_zero_variance(each.reward_values, min_std) for each in groups]))
        if not slots:
            return None
        places = [slot.place - self.share.start for slot in slots if slot.place in self.share]
        return dict(zip(places, self._groups(slots), strict=True))

    def observe(self, groups: Sequence[Group]) -> None:
        """Remember what the prompts' groups were rewarded, those of all processes."""
        if self.history:
            for sample_id, rewards in self.world.gather([(group.sample.id, group.reward_values) for group in groups]):
                self.history.observe(sample_id, rewards)

    def metrics(self, group_size: int) -> dict[str, float]:
        """How many samples are set aside; with a history also what it changed."""
        found = {"quarantined": self._count_quarantined()}
        return found | self.draw.metrics(group_size) if self.history else found

    def renew_features(self, groups: Sequence[Group]) -> None:
        """Encode again, in a new graph, when the tower has changed since the last update."""
        if self.reader.policy.vision_frozen:
            return
        for group, features in zip(groups, self.reader.encode([group.prompt for group in groups]), strict=True):
            group.features, group.state = features, None

    def _groups(self, slots: Sequence[Slot]) -> list[Group]:
        """This process's groups among the slots."""
        mine = [self._readable(slot) for slot in slots if slot.place in self.share]
        features = self.reader.encode([prompt for _, prompt in mine]) if mine else []
        return [
            Group(
                prompt=prompt,
                features=video,
                sample=sample,
                seed=derive_seed(self.seed, "rollout", self.step, sample.id),
            )
            for (sample, prompt), video in zip(mine, features, strict=True)
        ]

    def another(self, step: int, number: int, sample: Sample, error: SampleError) -> Group:
        """Another sample's group in place of this process's group `number` of a step; its sample is set aside."""
        self.quarantine.set_aside(sample, error)
        self.quarantine.check(len(self.samples))
        found, prompt = self._readable(Slot(self.share.start + number, self.samples.index(sample)))
        [features] = self.reader.encode([prompt])
        seed = derive_seed(self.seed, "rollout", step, found.id)
        return Group(prompt=prompt, features=features, sample=found, seed=seed)

    @property
    def share(self) -> range:
        """This process's places of the step."""
        return share_of(len(self.schedule.step(self.step)), self.world, what="samples per step")

    def _readable(self, slot: Slot) -> tuple[Sample, Prompt]:
        """The slot's sample, or the first substitute that can be read; what cannot is set aside."""
        index = slot.index
        for attempt in range(slot.attempt + 1, slot.attempt + MAX_SUBSTITUTES):
            sample = self.samples[index]
            if sample.id not in self.quarantine:
                try:
                    return sample, self.reader.prompt(sample)
                except SampleError as error:
                    self.quarantine.set_aside(sample, error)
                    self.quarantine.check(len(self.samples))
            index = self.schedule.substitute(self.step, slot.place, attempt)
        raise InputError(f"no usable sample among {MAX_SUBSTITUTES}; see {self.quarantine.path}")

    def _count_quarantined(self) -> float:
        """Of all processes, so that each also stops at the share that the recipe allows for the whole run."""
        self.quarantine.learn(self.world.gather(self.quarantine.entries))
        self.quarantine.check(len(self.samples))
        return float(len(self.quarantine))

    def state(self) -> Mapping[str, Any]:
        """What a checkpoint must remember beside the step."""
        return {"prompts": self.history.state()} if self.history else {}
