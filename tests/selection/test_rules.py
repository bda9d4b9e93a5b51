"""What is kept, and in which order: against the rules as they are stated, and a slow reference."""

import random
from collections import Counter
from statistics import mean, stdev
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reeltune.errors import InputError
from reeltune.selection.rules import Options, Quota, choose, difficulty_of, kind_of, parse_quota
from reeltune.selection.stats import discrete_tasks


@pytest.mark.parametrize(
    ("scores", "kind"),
    [
        ([0.0, 0.0, 0.0, 0.0], "all wrong"),
        ([1.0, 1.0, 1.0, 1.0], "all right"),
        ([0.0, 0.0, 0.0, 1.0], "mixed"),
        ([1.0, None, 1.0, 1.0], "all right"),
        ([None, None, None, None], "no reward"),
    ],
)
def test_right_or_wrong(row: Any, scores: list[float | None], kind: str) -> None:
    assert kind_of(row("a", scores), Options(), discrete=True) == kind


@pytest.mark.parametrize(
    ("scores", "kind"),
    [
        ([0.5, 0.5, 0.5, 0.5], "good and steady"),
        ([0.1, 0.1, 0.12, 0.1], "poor and steady"),
        ([0.0, 0.2, 0.0, 0.29], "varied but poor"),
        ([0.0, 0.2, 0.0, 0.6], "varied"),
        ([0.0, 0.0, 0.0, 0.3], "varied"),
    ],
)
def test_measured(row: Any, scores: list[float], kind: str) -> None:
    assert kind_of(row("a", scores), Options(min_std=0.1, min_level=0.3), discrete=False) == kind


def test_a_group_stuck_in_the_middle_is_dropped_though_its_mean_is_in_the_middle(row: Any) -> None:
    [stuck, varied] = choose([row("stuck", [0.5, 0.5, 0.51, 0.5]), row("varied", [0.0, 1.0, 0.5, 0.5])], Options())
    assert not stuck.kept and varied.kept


def test_the_level_is_of_the_mean_or_of_the_best(row: Any) -> None:
    once = row("a", [0.0, 0.0, 0.0, 0.8])
    assert kind_of(once, Options(level="max", min_level=0.5), discrete=False) == "varied"
    assert kind_of(once, Options(level="mean", min_level=0.5), discrete=False) == "varied but poor"


def test_tasks_that_are_right_or_wrong_are_found_by_their_scores(row: Any) -> None:
    stats = [
        row("a", [0.0, 1.0], task="choice"),
        row("b", [0.0, 0.0], task="choice"),
        row("c", [0.0, 1.0], task="overlap"),
        row("d", [0.3, 1.0], task="overlap"),
    ]
    assert discrete_tasks(stats) == {"choice"}


groups = st.lists(
    st.tuples(st.sampled_from("xy"), st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=4, max_size=4)),
    min_size=1,
    max_size=30,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(pool=groups, min_std=st.floats(0, 0.5), min_level=st.floats(0, 1), level=st.sampled_from(["mean", "max"]))
def test_the_choice_is_what_the_rules_say(
    row: Any, pool: list[tuple[str, list[float]]], min_std: float, min_level: float, level: Any
) -> None:
    options = Options(min_std=min_std, min_level=min_level, level=level)
    decisions = choose([row(str(number), scores, task=task) for number, (task, scores) in enumerate(pool)], options)
    for (task, scores), decision in zip(pool, decisions, strict=True):
        binary = all(score in (0.0, 1.0) for other, own in pool if other == task for score in own)
        assert decision.kept == _plain(scores, binary, options)
        assert (decision.reason == "kept") == decision.kept


def test_the_most_varied_come_first_and_every_task_in_proportion(row: Any) -> None:
    wide = [row(f"choice-{n}", [0.0] * (8 - n % 4 - 1) + [1.0] * (n % 4 + 1), task="choice") for n in range(40)]
    narrow = [row(f"overlap-{n}", [0.5, 0.5, 0.6 + n / 100, 0.9], task="overlap") for n in range(20)]
    decisions = choose([*wide, *narrow], Options(size=12, min_std=0.05))
    kept = {decision.id for decision in decisions if decision.kept}
    assert Counter(name.split("-")[0] for name in kept) == {"choice": 8, "overlap": 4}
    stds = {each.id: each.std for each in [*wide, *narrow]}
    for task in ("choice", "overlap"):
        inside = [stds[name] for name in stds if name.startswith(task) and name in kept]
        outside = [stds[name] for name in stds if name.startswith(task) and name not in kept]
        assert min(inside) >= max(outside)
    assert {decision.reason for decision in decisions if not decision.kept} == {"beyond size 12"}


def test_the_order_of_the_file_does_not_matter(row: Any) -> None:
    stats = [row(f"s{n}", [0.0, 1.0, 0.0, 1.0]) for n in range(50)]
    shuffled = random.Random(1).sample(stats, len(stats))
    kept = [{d.id for d in choose(each, Options(size=10)) if d.kept} for each in (stats, shuffled)]
    assert kept[0] == kept[1] and len(kept[0]) == 10
    assert {d.id for d in choose(stats, Options(size=10, seed=1)) if d.kept} != kept[0]


def test_quotas(row: Any) -> None:
    stats = [row(f"a{n}", [0.0, 0.0, 0.0, 1.0], source="one") for n in range(6)]
    stats += [row(f"b{n}", [0.0, 1.0, 0.0, 1.0], source="two") for n in range(6)]
    quotas = (Quota("source", "two", 2), Quota("difficulty", "hard", 3))
    decisions = choose(stats, Options(quotas=quotas))
    assert Counter(d.id[0] for d in decisions if d.kept) == {"a": 3, "b": 2}
    reasons = Counter(d.reason for d in decisions)
    assert reasons == {"kept": 5, "quota source:two=2": 4, "quota difficulty:hard=3": 3}
    assert difficulty_of(stats[0]) == "hard" and difficulty_of(stats[6]) == "medium"


def test_a_full_quota_leaves_room_for_others(row: Any) -> None:
    stats = [row(f"a{n}", [0.0, 0.0, 1.0, 1.0], task="a") for n in range(10)]
    stats += [row(f"b{n}", [0.0, 0.0, 0.0, 1.0], task="b") for n in range(10)]
    decisions = choose(stats, Options(size=10, quotas=(Quota("task", "a", 2),)))
    assert Counter(d.id[0] for d in decisions if d.kept) == {"a": 2, "b": 8}


@pytest.mark.parametrize("text", ["task", "task=3", "color:red=3", "task:x=-1", "task:=3", "task:x=3.5"])
def test_a_quota_in_another_form_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="a quota must look like"):
        parse_quota(text)


def test_quotas_of_nothing_are_refused(row: Any) -> None:
    with pytest.raises(InputError, match="did you mean 'charades'"):
        choose([row("a", [0.0, 1.0], source="charades")], Options(quotas=(parse_quota("source:charade=3"),)))
    with pytest.raises(InputError, match="given twice"):
        choose([row("a", [0.0, 1.0])], Options(quotas=(Quota("difficulty", "hard", 1),) * 2))


def test_source_names_may_hold_marks() -> None:
    assert parse_quota("source:a=b:c=3") == Quota("source", "a=b:c", 3)


def _plain(scores: list[float], discrete: bool, options: Options) -> bool:
    if discrete:
        return 0 < sum(score == 1.0 for score in scores) < len(scores)
    level = max(scores) if options.level == "max" else mean(scores)
    return stdev(scores) >= options.min_std and level >= options.min_level
