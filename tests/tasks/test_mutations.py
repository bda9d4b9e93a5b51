"""Every task reads 10,000 mutated completions per mode (1,000 in the fast suite): no exception, rewards in 0..1, a
value or a reason."""

import math
import random
from collections.abc import Iterator
from typing import Any

import pytest

from reeltune.tasks import TASKS
from reeltune.tasks.base import RewardOptions

COMMON = {"id": "a", "video": "a.mp4"}
SAMPLES: dict[str, dict[str, Any]] = {
    "temporal_grounding": {"query": "x", "duration": 20, "target": [[3, 7.5]]},
    "multiple_choice": {"question": "?", "options": ["a dog", "a cat", "no"], "target": "B"},
    "object_tracking": {
        "object": "ball",
        "start_box": [0.1, 0.1, 0.3, 0.3],
        "times": [0, 1],
        "target": [[0.1, 0.1, 0.3, 0.3], [0.2, 0.1, 0.4, 0.3]],
    },
    "grounded_qa": {
        "question": "?",
        "options": ["a dog", "a cat"],
        "duration": 20,
        "target": "A",
        "evidence": [[1, 2], [4, 5.5]],
    },
    "classification": {"question": "?", "labels": ["low", "high"], "target": "low"},
    "captioning": {
        "caption": "A red ball moves left.",
        "events": ["a red ball moves left"],
        "subjects": [{"name": "ball", "attributes": ["red"], "actions": ["moves left"]}],
    },
    "numeric": {"question": "?", "target": 12.5},
    "open_ended": {"question": "?", "target": "a red ball"},
    "instruction": {"instruction": "?", "response": "a red ball"},
}
PIECES = ["<think>", "</think>", "<answer>", "</answer>", "<glue>", "</glue>", "-", ":", "1e999", "nan", "∞", "\x00"]
PIECES += ["0", "9", ".", "(", "[", "]", ")", ",", " to ", "A", "B", "\n", "½", "٣", "\ud800", "<", "{", "}", '"', "\\"]
PIECES += [
    "\udfff",
    "\\boxed{",
    "not ",
    " no, ",
    "wait",
    "答案：",
    "％",
    "～",
    "**",
    '{"answer": ',
    "the answer is ",
    "%",
    " or ",
]


def mutations(text: str, count: int, generator: random.Random) -> Iterator[str]:
    for _ in range(count):
        mutated = text
        for _ in range(generator.randint(1, 6)):
            at, length = generator.randint(0, len(mutated)), generator.randint(0, 8)
            kind = generator.randrange(4)
            if kind == 0:
                mutated = mutated[:at] + mutated[at + length :]
            elif kind == 1:
                mutated = mutated[:at] + generator.choice(PIECES) + mutated[at:]
            elif kind == 2:
                mutated = mutated[:at] + mutated[at : at + length] * 3 + mutated[at + length :]
            else:
                mutated = mutated[at:] + mutated[:at]
        yield mutated


def test_no_task_is_left_out() -> None:
    assert {name for name, task in TASKS.items() if type(task).__module__.startswith("reeltune.")} == set(SAMPLES)


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", SAMPLES)
def test_mutated_completions_never_raise(name: str, count: int) -> None:
    task = TASKS[name]
    sample = task.sample_type.model_validate({**COMMON, "task": name, **SAMPLES[name]})
    generator = random.Random(name)
    options = RewardOptions(generalized_iou=True, iou_threshold=0.3, length_bounds=(10, 100))
    readable = 0
    for mode in task.modes:
        for text in mutations(task.gold(sample, mode), count, generator):
            parsed = task.parse(sample, text)
            readable += parsed.value is not None
            assert parsed.value is not None or parsed.reason
            for value in task.rewards(sample, text, mode, options).values():
                assert value is None or (math.isfinite(value) and 0 <= value <= 1)
            assert all(0 <= value <= 1 for value in task.scores(sample, parsed.value).values())
    assert readable > count / 100
