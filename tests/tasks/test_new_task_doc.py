import json
import re
from pathlib import Path

import pytest

from reeltune.evaluation.score import score
from reeltune.rewards.weights import reward_of
from reeltune.tasks import get_task, load_samples, load_task_file

DOC = (Path(__file__).parents[2] / "docs/new-task.md").read_text()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    task, reward = re.findall(r"```python\n(.*?)```", DOC, re.DOTALL)
    (tmp_path / "counting.py").write_text(task)
    (tmp_path / "my_rewards.py").write_text(reward)
    (line,) = re.findall(r"```json\n(.*?)```", DOC, re.DOTALL)
    rows = [json.loads(line), json.loads(line) | {"id": "2", "target": 5}]
    (tmp_path / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    texts = {"1": "<answer>3</answer>", "2": "<answer>3</answer>"}
    lines = [json.dumps({"id": name, "text": text}) + "\n" for name, text in texts.items()]
    (tmp_path / "predictions.jsonl").write_text("".join(lines))
    load_task_file(tmp_path / "counting.py")
    yield tmp_path
    from reeltune.tasks import _registry

    _registry._loaded.pop("counting")


def test_the_example_task_works(files: Path) -> None:
    first, second = load_samples(files / "samples.jsonl")
    task = get_task("counting")
    for sample in (first, second):
        task.validate(sample)
    assert task.rewards(second, "<answer>3</answer>", "direct") == {"format": 1, "closeness": 1 / 3}
    assert task.parse(first, "3 or 4").reason == "2 numbers"
    found = score(files / "samples.jsonl", files / "predictions.jsonl").metrics["counting"]
    assert found["accuracy"] == 50 and found["trivial.majority_number.accuracy"] == 50
    assert "<b class=truth>3" in task.picture(first, {"base": 4})


def test_the_example_reward_works(files: Path) -> None:
    (first, _) = load_samples(files / "samples.jsonl")
    functions = {"short": f"{files / 'my_rewards.py'}:short"}
    reward = reward_of(get_task("counting"), "direct", functions=functions, weights={"short": 0.5})
    assert reward(first, "<answer>3</answer>")[0] == 2.5
    assert reward(first, "?")[1] == {"format": 0, "closeness": 0, "short": None}
