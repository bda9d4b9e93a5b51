"""Which samples each step trains on: a pure function of the seed, so a resumed run needs no sampler state."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reeltune.config.recipe import Source
from reeltune.errors import InputError


@dataclass(frozen=True)
class Schedule:
    """Draws [steps, samples_per_step] as indices into the concatenation of all sources; `ends`: where each ends."""

    draws: np.ndarray
    ends: np.ndarray
    seed: int

    def step(self, step: int) -> list[int]:
        return [int(index) for index in self.draws[step]]

    def substitute(self, step: int, place: int, attempt: int) -> int:
        """Another sample of the source that fills this place of the step, for one that cannot be used, is skipped or
        gave no signal."""
        source = int(np.searchsorted(self.ends, self.draws[step, place], side="right"))
        start = int(self.ends[source - 1]) if source else 0
        return int(np.random.default_rng([self.seed, 1, step, place, attempt]).integers(start, self.ends[source]))


def make_schedule(sizes: Sequence[int], sources: Sequence[Source], *, steps: int, per_step: int, seed: int) -> Schedule:
    """Draw sources by weight times size among those active at a step; within a source, epoch by epoch.

    Every epoch of a source is a fresh permutation, and no sample comes twice before all others came once.
    """
    draws = np.zeros((steps, per_step), dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    streams = [_epochs(size, [seed, 2, index]) for index, size in enumerate(sizes)]
    choice = np.random.default_rng([seed, 3])
    for step in range(steps):
        shares = np.array(
            [
                source.weight * size if _active(source, step) else 0.0
                for source, size in zip(sources, sizes, strict=True)
            ]
        )
        if not shares.sum() > 0:
            raise InputError(
                f"data.train: no source is active at step {step} of {steps}; check first_step and last_step"
            )
        picks = choice.choice(len(sizes), size=per_step, p=shares / shares.sum())
        draws[step] = [offsets[pick] + next(streams[pick]) for pick in picks]
    return Schedule(draws, np.cumsum(sizes), seed)


def _active(source: Source, step: int) -> bool:
    return source.first_step <= step and (source.last_step is None or step <= source.last_step)


def _epochs(size: int, seed: list[int]) -> Iterator[int]:
    epoch = 0
    while True:
        yield from np.random.default_rng([*seed, epoch]).permutation(size).tolist()
        epoch += 1
