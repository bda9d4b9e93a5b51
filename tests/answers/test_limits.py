"""The deadline: a reader that hangs is stopped, and what it was reading counts as unreadable."""

import re
import threading
import time
from typing import Any, ClassVar

import pytest

from reeltune.answers.limits import TooSlow, deadline, within
from reeltune.sample import Sample
from reeltune.tasks.base import Components, Mode, Parsed, RewardOptions, Task

HANGING = re.compile(r"(a+)+b")


class Hangs(Task[Sample, str]):
    name = "hangs"
    sample_type = Sample
    default_weights: ClassVar = {"format": 1.0, "found": 1.0}

    def prompt(self, sample: Sample, mode: Mode) -> str:
        return "?"

    def parse(self, sample: Sample, text: str) -> Parsed[str]:
        found = HANGING.search(text)
        return Parsed(found[0]) if found else Parsed(None, "none")

    def content_rewards(self, sample: Sample, value: str | None, options: RewardOptions) -> Components:
        return {"found": float(value is not None)}


SAMPLE = Sample(id="s", task="hangs", video="v.mp4")
SLOW = "<answer>" + "a" * 40 + "</answer>"


def test_a_regular_expression_that_backtracks_is_stopped() -> None:
    start = time.process_time()
    assert (
        within(lambda: HANGING.search(SLOW), late=lambda reason: reason, seconds=0.2)
        == "reading took longer than 0.2 s"
    )
    assert time.process_time() - start < 5
    # and the next one has a deadline of its own
    assert within(lambda: "read", late=str, seconds=0.2) == "read"


def test_a_tasks_reader_has_a_deadline_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reeltune.answers.limits.DEADLINE_S", 0.2)
    task = Hangs()
    read = task.read(SAMPLE, SLOW)
    assert read.value is None and "longer than 0.2 s" in (read.reason or "")
    assert task.rewards(SAMPLE, SLOW, "direct") == {"format": 0.0, "found": 0.0}
    assert task.metrics([SAMPLE], [SLOW])["unparsed"] == 100.0
    assert task.read(SAMPLE, "aab").value == "aab"


def test_deadlines_nest_and_the_outer_one_counts() -> None:
    with pytest.raises(TooSlow), deadline(0.1), deadline(50):
        while True:
            pass


def test_another_thread_reads_without_a_deadline() -> None:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(within(lambda: "read", late=str)))
    thread.start()
    thread.join()
    assert found == ["read"]
