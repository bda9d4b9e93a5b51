"""Skipping by history: how likely, when never, and the same wherever it is computed."""

import json
from statistics import stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reeltune.config.recipe import Source
from reeltune.config.rl import SkippingConfig
from reeltune.errors import InputError
from reeltune.sample import Sample
from reeltune.training.prompt_history import PromptHistory, from_state, is_zero_variance
from reeltune.training.prompts import StepDraw
from reeltune.training.schedule import Schedule, make_schedule

POOL = [Sample(id=f"s{number}", task="t", video="v.mp4") for number in range(40)]
rewards = st.lists(st.floats(0, 2), max_size=6)


def history(seen: dict[str, int], **settings: float) -> PromptHistory:
    """A history in which each prompt was zero_variance so many times in a row."""
    made = PromptHistory(SkippingConfig(**settings), seed=7)  # type: ignore[arg-type]
    for name, times in seen.items():
        for _ in range(times):
            made.observe(name, [0.5, 0.5])
    return made


@pytest.mark.parametrize(
    ("values", "zero_variance"),
    [
        ([], False),
        ([1.0], False),
        ([0.0, 0.0], True),
        ([0.5, 0.5, 0.51], True),
        ([0.0, 1.0], False),
        ([0.0, 0.2], False),
    ],
)
def test_silence(values: list[float], zero_variance: bool) -> None:
    assert is_zero_variance(values, 0.05) == zero_variance
    assert is_zero_variance(values) == (len(values) > 1 and len(set(values)) < 2)


def test_the_probability_grows_with_silence_and_never_reaches_one() -> None:
    found = [history({"a": n}, explore=0.5, least=0.1).skip_probability("a") for n in range(7)]
    assert found == [0.0, 0.5, 0.75, 0.875, 0.9, 0.9, 0.9]
    assert history({"a": 50}, explore=1.0).skip_probability("a") == 0.0


def test_a_signal_ends_the_silence() -> None:
    known = history({"a": 5})
    known.observe("a", [0.0, 1.0, 0.5])
    assert known.skip_probability("a") == 0.0
    trace = known.traces["a"]
    assert (trace.groups, trace.zero_variance, trace.mean, trace.std) == (6, 0, 0.5, stdev([0.0, 1.0, 0.5]))


def test_a_judge_that_does_not_answer_makes_no_prompt_silent() -> None:
    known = history({"a": 2, "b": 0})
    for name in "ab":
        for rewards_left in ([], [0.5]):
            known.observe(name, rewards_left)
    assert (known.traces["a"].zero_variance, known.traces["b"].zero_variance) == (2, 0)
    assert known.traces["a"].groups == 4


def test_no_prompt_is_skipped_for_ever_and_coins_fall_as_often_as_they_should() -> None:
    known = history({"a": 9}, least=0.2)
    coins = [known.skips("a", step=step, place=0, attempt=0) for step in range(2000)]
    assert sum(coins) / len(coins) == pytest.approx(0.8, abs=0.03)
    assert coins == [known.skips("a", step=step, place=0, attempt=0) for step in range(2000)]
    other = PromptHistory(known.config, seed=8, traces=known.traces)
    assert coins != [other.skips("a", step=step, place=0, attempt=0) for step in range(2000)]


@given(st.lists(st.tuples(st.sampled_from("abc"), rewards), max_size=30))
def test_a_history_comes_back_from_the_checkpoint_exactly(seen: list[tuple[str, list[float]]]) -> None:
    known = PromptHistory(SkippingConfig(), seed=1)
    for name, values in seen:
        known.observe(name, values)
    again = from_state(known.config, json.loads(json.dumps(known.state())), seed=1)
    assert again.traces == known.traces


def test_a_broken_state_is_named() -> None:
    with pytest.raises(InputError, match="not a prompt history"):
        from_state(SkippingConfig(), {"a": {"times": 3}}, seed=0)
    assert from_state(SkippingConfig(), None, seed=0).traces == {}


def draws(per_step: int = 8, steps: int = 30) -> Schedule:
    return make_schedule([len(POOL)], [Source(path="a")], steps=steps, per_step=per_step, seed=0)


def test_without_a_history_the_schedule_is_drawn() -> None:
    schedule = draws()
    draw = StepDraw(3, schedule, POOL)
    assert [pick.index for pick in draw.first()] == schedule.step(3)
    assert draw.replace([True] * 8) == []


def test_skipped_prompts_make_room_for_others() -> None:
    schedule, zero_variance = draws(), {f"s{number}": 20 for number in range(30)}
    skipped = asked = 0
    for step in range(30):
        draw = StepDraw(step, schedule, POOL, history(zero_variance, least=0.1))
        picks = draw.first()
        assert [pick.place for pick in picks] == list(range(8))
        assert len({pick.index for pick in picks}) == 8
        changed = [pick for pick, index in zip(picks, schedule.step(step), strict=True) if pick.index != index]
        assert len(changed) == draw.skipped
        skipped += draw.skipped
        asked += sum(pick.index < 30 for pick in picks)
        assert draw.metrics(4) == {
            "prompts_skipped": draw.skipped,
            "groups_resampled": 0,
            "rollouts": 32,
            "rollouts_saved": 4 * draw.skipped,
        }
    assert skipped > 0.6 * 8 * 30 * 0.75
    # Ten prompts teach, thirty are zero_variance and asked a tenth as often.
    assert 0 < asked < 0.5 * 8 * 30


def test_silent_groups_are_replaced_up_to_the_limit() -> None:
    draw = StepDraw(0, draws(), POOL, history({}, max_resampled=3))
    first = draw.first()
    again = draw.replace([True, True, False, False, False, False, False, True])
    assert [pick.place for pick in again] == [0, 1, 7]
    assert not {pick.index for pick in again} & {pick.index for pick in first}
    assert draw.replace([True] * 8) == [] and draw.resampled == 3
    assert draw.metrics(4)["rollouts"] == (8 + 3) * 4


def test_the_limit_holds_over_rounds_and_earlier_picks_do_not_return() -> None:
    draw = StepDraw(0, draws(), POOL, history({}, max_resampled=5))
    seen = {pick.index for pick in draw.first()}
    for expected in (2, 2, 1, 0):
        picks = draw.replace([True, False, False, True, False, False, False, False])
        assert len(picks) == expected and not seen & {pick.index for pick in picks}
        seen |= {pick.index for pick in picks}


def test_where_nothing_else_is_left_the_scheduled_prompt_is_asked() -> None:
    pool = POOL[:8]
    schedule = make_schedule([8], [Source(path="a")], steps=1, per_step=8, seed=0)
    draw = StepDraw(0, schedule, pool, history({sample.id: 20 for sample in pool}, max_resampled=4))
    assert [pick.index for pick in draw.first()] == schedule.step(0)
    assert draw.skipped == 0 and draw.replace([True] * 8) == []


def test_substitutes_come_from_the_same_source() -> None:
    sources = [Source(path="a"), Source(path="b")]
    schedule = make_schedule([10, 30], sources, steps=40, per_step=8, seed=0)
    for step in range(40):
        for slot, index in enumerate(schedule.step(step)):
            found = [schedule.substitute(step, slot, attempt) for attempt in range(5)]
            assert all((other < 10) == (index < 10) and 0 <= other < 40 for other in found)
