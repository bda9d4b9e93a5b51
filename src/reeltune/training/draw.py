"""The samples of one step: those of the schedule, without prompts that are skipped, and again for zero-variance groups.

The same on every process: it depends on the schedule and the history, which all of them know, never on what a
process can or cannot read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from reeltune.data.samples import Sample
from reeltune.training.prompt_history import PromptHistory
from reeltune.training.schedule import Schedule

MAX_SUBSTITUTES = 100


@dataclass(frozen=True)
class Pick:
    """A sample for a slot of the step. `attempt` counts the slot's substitutes: unusable videos go on from there."""

    slot: int
    index: int
    attempt: int = 0


class StepDraw:
    """Draws for one step; `skipped` and `replaced` count the slots that history and zero-variance groups changed."""

    def __init__(
        self, step: int, schedule: Schedule, samples: Sequence[Sample], history: PromptHistory | None = None
    ) -> None:
        self.step = step
        self.schedule = schedule
        self.samples = samples
        self.history = history
        self.skipped = 0
        self.replaced = 0
        self._picks = [Pick(slot, index) for slot, index in enumerate(schedule.step(step))]
        self._used = {pick.index for pick in self._picks}

    def first(self) -> list[Pick]:
        """One pick per slot, in order: the scheduled one, or the first substitute that is not skipped."""
        for pick in list(self._picks):
            if self._skips(pick) and (other := self._substitute(pick)):
                self._picks[pick.slot] = other
                self.skipped += 1
        return list(self._picks)

    def again(self, silent: Sequence[bool]) -> list[Pick]:
        """New picks for silent slots, as many as `max_replaced` still allows; `silent` [slots] of all processes."""
        limit = self.history.config.max_replaced - self.replaced if self.history else 0
        found: list[Pick] = []
        for pick in [each for each in self._picks if silent[each.slot]]:
            other = self._substitute(pick) if len(found) < limit else None
            if other:
                self._picks[pick.slot] = other
                found.append(other)
        self.replaced += len(found)
        return found

    def metrics(self, group_size: int) -> dict[str, float]:
        """`rollouts_saved`: what the scheduled prompts that were skipped would have cost; substitutes that were
        skipped in turn are not counted."""
        return {
            "prompts_skipped": float(self.skipped),
            "groups_replaced": float(self.replaced),
            "rollouts": float((len(self._picks) + self.replaced) * group_size),
            "rollouts_saved": float(self.skipped * group_size),
        }

    def _skips(self, pick: Pick) -> bool:
        if self.history is None:
            return False
        sample_id = self.samples[pick.index].id
        return self.history.skips(sample_id, step=self.step, slot=pick.slot, attempt=pick.attempt)

    def _substitute(self, pick: Pick) -> Pick | None:
        """The next sample that the step has not used and the history lets pass; None: there seems to be none."""
        for number in range(1, MAX_SUBSTITUTES + 1):
            attempt = pick.attempt + number * MAX_SUBSTITUTES
            other = Pick(pick.slot, self.schedule.substitute(self.step, pick.slot, attempt), attempt)
            if other.index not in self._used and not self._skips(other):
                self._used.add(other.index)
                return other
        return None
