import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from reeltune.config.recipe import RewardConfig
from reeltune.errors import InputError
from reeltune.evaluation.score import score
from reeltune.judges.base import RuleJudge
from reeltune.judges.questions import Rating
from reeltune.rewards.recipe import recipe_rewards
from reeltune.rewards.score import score_groups
from reeltune.rewards.weights import reward_of
from reeltune.tasks import TASKS, _registry, get_task, load_samples, load_task_file

DOCS = Path(__file__).parents[2] / "docs"
DOC = (DOCS / "new-task.md").read_text() + (DOCS / "rewards.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOC, re.DOTALL)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(_registry, "_loaded", {})
    monkeypatch.chdir(tmp_path)
    counting, open_qa, rewards = blocks("python")
    for name, text in (("counting", counting), ("open_qa", open_qa), ("my_rewards", rewards)):
        (tmp_path / f"{name}.py").write_text(text)
    (line,) = blocks("json")
    rows = [json.loads(line), json.loads(line) | {"id": "2", "target": 5}]
    (tmp_path / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    texts = {"1": "<answer>3</answer>", "2": "<answer>3</answer>"}
    lines = [json.dumps({"id": name, "text": text}) + "\n" for name, text in texts.items()]
    (tmp_path / "predictions.jsonl").write_text("".join(lines))
    load_task_file("counting.py")
    return tmp_path


def test_the_example_task_is_short_and_works(files: Path) -> None:
    own = blocks("python")[0].partition("class CountingSample")[2].splitlines()
    assert sum(bool(line.strip()) for line in own) <= 25
    first, second = load_samples(files / "samples.jsonl")
    task = get_task("counting")
    for sample in (first, second):
        task.validate(sample)
    assert task.rewards(second, "<answer>3</answer>", "direct") == {"format": 1, "closeness": 1 / 3}
    assert task.parse(first, "3 or 4").reason == "2 numbers"
    assert "<think>" in task.prompt(first, "think") and "<think>" not in task.prompt(first, "direct")


def test_what_is_not_written_has_a_default(files: Path) -> None:
    first, second = load_samples(files / "samples.jsonl")
    task = get_task("counting")
    assert task.gold(second, "direct") == "<answer>5</answer>"
    found = score(files / "samples.jsonl", files / "predictions.jsonl").metrics["counting"]
    assert found["closeness"] == pytest.approx(100 * (1 + 1 / 3) / 2)
    # The gold answers are as frequent as each other: the smaller one, for every sample.
    assert found["trivial.majority_answer.closeness"] == pytest.approx(100 * (1 + 1 / 3) / 2)
    html = task.picture(first, {"base": 4, "new": None})
    assert "<b class=truth>3" in html and "base: 4" in html and "no readable answer: new" in html
    assert task.type_of(first) is None


class Words(RuleJudge):
    kind = "words"

    def answer(self, question: Any) -> Any:
        return Rating(question.answer == question.reference, 5.0)


def test_the_example_of_a_judged_task_works(files: Path) -> None:
    task = load_task_file("open_qa.py")
    sample = task.sample_type(id="a", task="open_qa", video="v", question="What?", target="a cat")
    task.validate(sample)
    texts = ["<answer>a cat</answer>", "<answer>a dog</answer>", ""]
    [found] = score_groups({"open_qa": reward_of(task, "direct")}, [sample], [texts], Words())
    assert found.components == {"format": [1.0, 1.0, 0.0], "right": [1.0, 0.0, 0.0]}
    assert task.judged_metrics([sample], [texts[:2]], Words()).metrics["judged.right"] == 50.0


def test_the_example_rewards_work(files: Path) -> None:
    (given,) = blocks("yaml")
    config = RewardConfig.model_validate(yaml.safe_load(given)["rewards"])
    (first, _) = load_samples(files / "samples.jsonl")
    rewards = recipe_rewards(config, ["counting"], "direct")
    [found] = score_groups(rewards, [first], [["<answer>3</answer>", "?"]])
    assert found.components["short"] == [1.0, None] and found.components["near"] == [1.0, 0.0]
    assert found.total.tolist() == [3.5, 0.0]
    functions = {"varied": f"{files / 'my_rewards.py'}:varied"}
    [found] = score_groups(
        {"counting": reward_of(get_task("counting"), "direct", functions=functions)}, [first], [["3", "3", "4"]]
    )
    assert found.components["varied"] == [0.5, 0.5, 1.0]


def test_the_page_of_rewards_tells_the_weights_of_every_task() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ((?:\w+ [\d.]+(?:, )?)+) \|", (DOCS / "rewards.md").read_text(), re.MULTILINE)
    told = {task: {name: float(weight) for name, weight in map(str.split, each.split(", "))} for task, each in rows}
    shipped = {name: task for name, task in TASKS.items() if type(task).__module__.startswith("reeltune.tasks.")}
    assert len(shipped) > 8  # other tests' own tasks stay registered in this process
    assert told == {name: task.default_weights for name, task in shipped.items()}


def test_a_task_that_owes_something_is_refused(files: Path) -> None:
    text = blocks("python")[1]
    cases = {
        "weights": (text.replace("default_weights =", "weights ="), "OpenQA declares no default_weights"),
        "klass": (text.replace("TASK = OpenQA()", "TASK = OpenQA"), "got OpenQA, a class"),
        "plain": (text.replace("judge_group", "judges_group"), "write its method `judge_group` as a generator"),
    }
    for name, (changed, message) in cases.items():
        assert changed != text
        (files / f"{name}.py").write_text(changed)
        with pytest.raises(InputError, match=message):
            load_task_file(f"{name}.py")
