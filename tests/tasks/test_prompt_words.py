"""The prompts of all tasks in all modes, word for word: models were trained with these."""

import pytest

from reeltune.sample import to_sample
from reeltune.tasks import TASKS, sample_types

CHOICE = {"question": "What runs?", "options": ["a dog", "a cat"], "target": "A"}
BOX = [0, 0, 0.5, 0.5]
ROWS = {
    "captioning": {"caption": "A dog runs."},
    "classification": {"labels": ["good", "bad"], "target": "bad"},
    "grounded_qa": {**CHOICE, "evidence": [[1, 2.5]], "duration": 9.0},
    "instruction": {"instruction": "Name the animal.", "response": "A dog."},
    "multiple_choice": CHOICE,
    "numeric": {"question": "How many dogs?", "target": 2},
    "object_tracking": {"object": "the dog", "start_box": BOX, "times": [1, 2.5], "target": [BOX, BOX]},
    "open_ended": {"question": "What runs?", "target": "a dog"},
    "temporal_grounding": {"query": "the dog runs", "target": [[1, 2.5]], "duration": 9.0},
}
# fmt: off
PROMPTS = {
    ("captioning", "direct"):
        'Describe what happens in the video. Write the description as <answer>description</answer>.',
    ("captioning", "think"):
        'Describe what happens in the video. First think it over inside <think> and </think>. Then write the '
        'description as <answer>description</answer>.',
    ("captioning", "structured"):
        'Describe what happens in the video. First, inside <think> and </think>, write one line for every subject: '
        'name | attribute; attribute | action; action. Write - for an empty part. Then write the description as '
        '<answer>description</answer>.',
    ("classification", "think"):
        'Which label fits the video? Choose one: good, bad. First think it over inside <think> and </think>. Then '
        'answer as <answer>choice</answer>.',
    ("classification", "direct"):
        'Which label fits the video? Choose one: good, bad. Answer as <answer>choice</answer>.',
    ("grounded_qa", "think"):
        'What runs?\nA. a dog\nB. a cat\nFirst think it over inside <think> and </think>. Then answer with the '
        'letter of the right option and the seconds that show it as <answer>letter</answer><glue>[(start, end), '
        '...]</glue>.',
    ("grounded_qa", "direct"):
        'What runs?\nA. a dog\nB. a cat\nAnswer with the letter and the seconds that show it as '
        '<answer>letter</answer><glue>[(start, end), ...]</glue>.',
    ("instruction", "think"):
        'Name the animal. First think it over inside <think> and </think>. Then write your response as '
        '<answer>response</answer>.',
    ("instruction", "direct"): 'Name the animal.',
    ("multiple_choice", "think"):
        'What runs?\nA. a dog\nB. a cat\nFirst think it over inside <think> and </think>. Then answer with the '
        'letter of the right option as <answer>letter</answer>.',
    ("multiple_choice", "direct"):
        'What runs?\nA. a dog\nB. a cat\nAnswer with the letter as <answer>letter</answer>.',
    ("numeric", "think"):
        'How many dogs? First think it over inside <think> and </think>. Then answer as <answer>number</answer>.',
    ("numeric", "direct"): 'How many dogs? Answer as <answer>number</answer>.',
    ("object_tracking", "think"):
        'Track "the dog", which starts at [0.0, 0.0, 0.5, 0.5]. Where is it at 1.0, 2.5 seconds? First think it '
        'over inside <think> and </think>. Then answer with one box per time, in fractions of width and height, as '
        '<answer>[[x0, y0, x1, y1], ...]</answer>.',
    ("object_tracking", "direct"):
        'Track "the dog", which starts at [0.0, 0.0, 0.5, 0.5]. Where is it at 1.0, 2.5 seconds? Answer with one '
        'box per time as <answer>[[x0, y0, x1, y1], ...]</answer>.',
    ("open_ended", "think"):
        'What runs? First think it over inside <think> and </think>. Then answer as <answer>your answer</answer>.',
    ("open_ended", "direct"): 'What runs? Answer as <answer>your answer</answer>.',
    ("temporal_grounding", "think"):
        'When does this happen: "the dog runs"? First think it over inside <think> and </think>. Then answer in '
        'seconds as <answer>start to end</answer>.',
    ("temporal_grounding", "direct"):
        'When does this happen: "the dog runs"? Answer in seconds as <answer>start to end</answer>.',
}
# fmt: on


@pytest.mark.parametrize(("name", "mode"), PROMPTS)
def test_the_words_of_a_prompt(name: str, mode: str) -> None:
    sample = to_sample({"id": "x", "video": "v.mp4", "task": name, **ROWS[name]}, sample_types())
    assert TASKS[name].prompt(sample, mode) == PROMPTS[name, mode]  # type: ignore[arg-type]


def test_every_task_and_mode_stands_here() -> None:
    shipped = {(name, mode) for name in ROWS for mode in TASKS[name].modes}
    assert shipped == PROMPTS.keys() and len(ROWS) == 9
