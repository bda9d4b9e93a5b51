from collections.abc import Callable
from typing import Any

import pytest

from reeltune.report.groups import group_card
from reeltune.report.page import page
from reeltune.report.run_files import RunSamples
from reeltune.tasks import get_task, load_samples
from reeltune.toyworld.generate import generate

BAD = "</p></svg><script>alert(1)</script><img src=x onerror=alert(2)>"
NAMES = ("multiple_choice", "grounded_qa", "object_tracking", "captioning", "temporal_grounding")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> RunSamples:
    found = load_samples(generate(tmp_path_factory.mktemp("tasks"), videos=20, tasks=NAMES))
    return RunSamples({sample.id: sample for sample in found}, [], "direct")


@pytest.mark.parametrize("name", NAMES)
def test_a_group_of_any_task_is_drawn(name: str, samples: RunSamples, check_page: Callable[[str], Any]) -> None:
    sample = next(sample for sample in samples.train.values() if sample.task == name)
    task = get_task(name)
    group = {
        "id": sample.id,
        "task": name,
        "texts": [task.gold(sample, "direct"), BAD, "", f"<answer>{BAD}</answer>"],
        "reward": [1.75, 0.0, 0.0, 0.5],
        "components": {"format": [1.0, 0.0, 0.0, None]},
        "advantage": [1.5, -0.5, -1.0, 0.0],
        "truncated": [False, True, False, False],
    }
    found = check_page(page("group", group_card(group, samples, video_bytes=1_000_000)))
    assert found.named("img") == [] and found.named("script") == [] and len(found.named("video")) == 1
    assert " ".join(task.prompt(sample, "direct").split()) in found.text
    for shown in ("+1.50", "-0.50", "-1.00", "1.75", "truncated at the length limit", "<script>alert(1)</script>"):
        assert shown in found.text


def test_a_group_whose_sample_is_gone_shows_its_completions(check_page: Callable[[str], Any]) -> None:
    group = {
        "id": "gone",
        "task": "of another file",
        "texts": ["a completion"],
        "reward": [0.5],
        "components": {},
        "advantage": [0.0],
        "truncated": [False],
    }
    found = check_page(page("group", group_card(group, RunSamples({}, [], "direct"), video_bytes=1)))
    assert "cannot be read" in found.text and "a completion" in found.text and "zero variance" in found.text


def test_videos_above_the_bound_are_named(samples: RunSamples) -> None:
    sample = next(iter(samples.train.values()))
    group = {"id": sample.id, "task": sample.task, "texts": [], "reward": [], "components": {}, "advantage": []}
    assert "too large to embed" in group_card(group, samples, video_bytes=10)
