import json
from multiprocessing import get_context
from pathlib import Path

import pytest

from reeltune.config.judge import JudgeConfig
from reeltune.errors import InputError
from reeltune.judges import build_judge
from reeltune.judges.prompts import load_prompts
from reeltune.judges.questions import Extraction
from reeltune.judges.transcript import ModelSettings, Transcript

SETTINGS = ModelSettings("m", 0.0, 100)


def messages(text: str) -> list[dict[str, str]]:
    return load_prompts().messages(Extraction(text))


def add(path: Path, text: str, reply: str = '["a"]', settings: ModelSettings = SETTINGS) -> str:
    prompt_hash = settings.hash_of(messages(text))
    Transcript(path).add(prompt_hash, settings, messages(text), reply)
    return prompt_hash


def test_replies_are_found_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "t.jsonl"
    prompt_hash = add(path, "one", "é\u2028 ]")
    assert Transcript(path).reply(prompt_hash) == "é\u2028 ]"
    assert Transcript(path).reply(SETTINGS.hash_of(messages("two"))) is None
    others = {ModelSettings("n", 0.0, 100), ModelSettings("m", 0.5, 100), ModelSettings("m", 0.0, 99)}
    assert all(each.hash_of(messages("one")) != prompt_hash for each in others)


def test_a_torn_last_line_is_no_line_and_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    first = add(path, "one")
    with path.open("ab") as file:
        file.write(b'{"hash": "half a li')
    assert len(Transcript(path)) == 1
    second = add(path, "two")
    assert Transcript(path).reply(first) and Transcript(path).reply(second)
    assert all(json.loads(line) for line in path.read_text().splitlines())


@pytest.mark.parametrize("line", ['{"id": "a"}', "[1]", "no json", "\xff"])
def test_another_file_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(line + "\n", encoding="latin-1")
    with pytest.raises(InputError, match=r"line 1: not a line of a judge transcript"):
        Transcript(path)


def test_a_changed_prompt_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    add(path, "one")
    path.write_text(path.read_text().replace("one", "two"))
    with pytest.raises(InputError, match="the hash does not match"):
        Transcript(path)


def many(path: Path, worker: int) -> None:
    transcript = Transcript(path)
    for number in range(50):
        text = f"{worker} {number} " + "x" * 5000
        transcript.add(SETTINGS.hash_of(messages(text)), SETTINGS, messages(text), "[]")


def test_two_processes_may_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    context = get_context("fork")
    workers = [context.Process(target=many, args=(path, worker)) for worker in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(Transcript(path)) == 100


def test_a_recorded_judge_is_the_model_of_its_transcript(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    add(path, "one")
    judge = build_judge(JudgeConfig(kind="recorded", transcript=str(path)))
    assert judge is not None and judge.ask([Extraction("one")]) == [("a",)]
    assert judge.record()["model"] == "m" and judge.counts.cache_hits == 1
    assert judge.cost([Extraction("one"), Extraction("two")]).calls == 0
    with pytest.raises(InputError, match=r"there is no recorded reply to a 'extraction-events' question"):
        judge.ask([Extraction("two")])
    add(path, "one", settings=ModelSettings("n", 0.7, 100))
    with pytest.raises(InputError, match=r"m at temperature 0.0, n at temperature 0.7; name one"):
        build_judge(JudgeConfig(kind="recorded", transcript=str(path)))
    named = build_judge(JudgeConfig(kind="recorded", transcript=str(path), model="n"))
    assert named is not None and named.record()["temperature"] == 0.7
