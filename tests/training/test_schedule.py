"""What is drawn at each step is a function of the seed alone."""

from collections import Counter

import numpy as np
import pytest

from reeltune.config.recipe import Source
from reeltune.errors import InputError
from reeltune.training.schedule import make_schedule


def test_every_epoch_draws_each_sample_once() -> None:
    schedule = make_schedule([12], [Source(path="a")], steps=6, per_step=4, seed=3)
    epochs = schedule.draws.reshape(2, 12)
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert list(epochs[0]) != list(epochs[1])


def test_a_longer_run_begins_with_the_same_draws() -> None:
    sources = [Source(path="a"), Source(path="b", weight=2)]
    short = make_schedule([5, 9], sources, steps=4, per_step=3, seed=1)
    long = make_schedule([5, 9], sources, steps=40, per_step=3, seed=1)
    assert np.array_equal(long.draws[:4], short.draws)
    other = make_schedule([5, 9], sources, steps=4, per_step=3, seed=2)
    assert not np.array_equal(other.draws, short.draws)


def test_weights_multiply_a_sources_size() -> None:
    sources = [Source(path="a"), Source(path="b", weight=3)]
    schedule = make_schedule([100, 100], sources, steps=1000, per_step=8, seed=0)
    assert (schedule.draws >= 100).mean() == pytest.approx(0.75, abs=0.02)
    counts = Counter(schedule.draws[schedule.draws >= 100].tolist())
    assert max(counts.values()) - min(counts.values()) <= 1


def test_a_curriculum_draws_from_the_active_sources() -> None:
    sources = [Source(path="a", last_step=1), Source(path="b", first_step=2)]
    schedule = make_schedule([4, 4], sources, steps=4, per_step=4, seed=0)
    assert (schedule.draws[:2] < 4).all() and (schedule.draws[2:] >= 4).all()
    with pytest.raises(InputError, match="no source is active at step 3"):
        make_schedule([4], [Source(path="a", last_step=2)], steps=5, per_step=1, seed=0)


def test_substitutes_are_repeatable() -> None:
    schedule = make_schedule([50], [Source(path="a")], steps=1, per_step=1, seed=0)
    found = [schedule.substitute(0, 0, attempt) for attempt in range(20)]
    assert found == [schedule.substitute(0, 0, attempt) for attempt in range(20)]
    assert len(set(found)) > 10 and all(0 <= index < 50 for index in found)
