from pathlib import Path

import pytest

from reeltune.errors import InputError
from reeltune.judges.prompts import OWN, load_prompts
from reeltune.judges.questions import Entailment, Extraction, Grading, Reading

QUESTIONS = [
    Entailment("the text", ("one", "two")),
    Entailment("the text", ("one", "two"), "objects"),
    Extraction("the text"),
    Extraction("the text", "objects"),
    Reading("the text", "a question"),
    Grading("a question", "the truth", "the text"),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.template)
def test_every_question_has_a_prompt_with_all_its_fields(question: Entailment) -> None:
    (message,) = load_prompts().messages(question)
    assert message["role"] == "user" and "{{" not in message["content"]
    fields = question.fields()
    assert all(value in message["content"] for name, value in fields.items() if name != "statements_json")


def test_every_prompt_has_a_question() -> None:
    assert {question.template for question in QUESTIONS} == set(OWN)


def test_prompts_from_files(tmp_path: Path) -> None:
    (tmp_path / "extraction-events.txt").write_text('Be brief.\n---\nText: {{text}} {"events": []}\n')
    prompts = load_prompts(tmp_path)
    assert prompts.origin == "files" and prompts.digest != load_prompts().digest
    assert prompts.messages(Extraction("so {{text}}")) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": 'Text: so {{text}} {"events": []}'},
    ]
    assert prompts.templates["reading"] == OWN["reading"]


def test_statements_as_the_published_script_sends_them(tmp_path: Path) -> None:
    (tmp_path / "entailment-events.txt").write_text("{{text}} {{statements_json}}")
    [message] = load_prompts(tmp_path).messages(Entailment("the text", ('a "b"', "é")))
    assert message["content"] == 'the text ["a \\"b\\"", "é"]'


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("extraction", "{{text}}", "there is no prompt of this name"),
        ("reading", "{{caption}} {{question}} {{video}}", r"unknown field \['video'\]"),
        ("entailment-events", "{{text}} {{count}}", r"fields \['statements'\] are missing"),
        ("reading", "{{caption}} {{question}} {{count}}", r"unknown field \['count'\]"),
        ("reading", "{{caption}}", r"fields \['question'\] are missing"),
    ],
)
def test_wrong_files(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / f"{name}.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        load_prompts(tmp_path)


def test_a_folder_without_prompts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \.txt file"):
        load_prompts(tmp_path)


def test_single_quotes_where_events_are_asked_for() -> None:
    single = load_prompts(single_quotes=True)
    assert single.digest != load_prompts().digest
    [message] = single.messages(Extraction('he says "go"'))
    assert "he says 'go'" in message["content"]
    assert 'he says "go"' in single.messages(Entailment('he says "go"', ("one",)))[0]["content"]
    assert 'he says "go"' in load_prompts().messages(Extraction('he says "go"'))[0]["content"]
