"""Which prompts gave a signal before, and which are therefore skipped before their rollout is sampled.

GRESO (arXiv 2506.02177) skips prompts by their reward history with a probability that grows with the number of
times in a row they gave no signal, and never reaches one, because the model changes. Ours is of that kind; one
base for easy and hard prompts, and the floor, are our choice. Everything is a function of the seed and of the
rewards seen, so a resumed run and one on more processes skip the same prompts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any

from reeltune.config.rl import SkippingConfig
from reeltune.errors import InputError
from reeltune.rollout.engine import derive_seed


@dataclass(frozen=True)
class Trace:
    """What is known of one prompt: groups rolled out, how many of the last ones in a row had zero variance, and mean
    and std of the last group's rewards (None where no completion had one)."""

    groups: int
    zero_variance: int
    mean: float | None
    std: float | None


class PromptHistory:
    """What each prompt's groups earned, and whether it is worth asking again (our choice; `rl.skipping`).

    Everything random depends on `seed`, step, place and attempt alone, so a resumed run skips what one that was never
    stopped skips. Kept in the checkpoint: `state`, `from_state`.
    """

    def __init__(self, config: SkippingConfig, *, seed: int, traces: Mapping[str, Trace] | None = None) -> None:
        self.config = config
        self.seed = seed
        self.traces = dict(traces or {})

    def observe(self, sample_id: str, rewards: Sequence[float]) -> None:
        """Remember a group's rewards, those of its completions that have one."""
        before = self.traces.get(sample_id, Trace(0, 0, None, None))
        row = before.zero_variance + 1 if is_zero_variance(rewards, self.config.min_std) else 0
        self.traces[sample_id] = Trace(
            groups=before.groups + 1,
            # A judge that did not answer says nothing about the prompt.
            zero_variance=row if len(rewards) > 1 else before.zero_variance,
            mean=fmean(rewards) if rewards else None,
            std=stdev(rewards) if len(rewards) > 1 else None,
        )

    def skip_probability(self, sample_id: str) -> float:
        """1 - explore^n after n zero-variance groups in a row, at most 1 - least; 0 for a new prompt."""
        trace = self.traces.get(sample_id)
        return 0.0 if trace is None else min(1 - self.config.explore**trace.zero_variance, 1 - self.config.least)

    def skips(self, sample_id: str, *, step: int, place: int, attempt: int) -> bool:
        """A coin of this probability, the same whenever it is tossed for this draw."""
        draw = derive_seed(self.seed, "skip", step, place, attempt) / 2**63
        return draw < self.skip_probability(sample_id)

    def state(self) -> dict[str, Any]:
        """For the checkpoint; `from_state` reads it. JSON keeps every float exactly."""
        return {name: asdict(trace) for name, trace in self.traces.items()}


def from_state(config: SkippingConfig, state: Mapping[str, Any] | None, *, seed: int) -> PromptHistory:
    """The history of a checkpoint; none when the run began without one. InputError when it is not one."""
    try:
        traces = {name: Trace(**trace) for name, trace in (state or {}).items()}
    except (TypeError, AttributeError) as error:
        raise InputError(f"state.json of the checkpoint: not a prompt history ({error})") from None
    return PromptHistory(config, seed=seed, traces=traces)


def is_zero_variance(rewards: Sequence[float], min_std: float = 0.0) -> bool:
    """Two rewards or more, all equal or with a std (ddof = 1, as in the advantage) below `min_std`."""
    return len(rewards) > 1 and (max(rewards) == min(rewards) or stdev(rewards) < min_std)
