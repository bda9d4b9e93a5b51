import re
import subprocess
import sys
from pathlib import Path

import pytest

from reeltune import tasks
from reeltune.errors import InputError
from reeltune.tasks import TASKS, get_task, load_samples, load_task_file

OWN = """
from reeltune.sample import Sample, Text
from reeltune.tasks.instruction import Instruction


class OwnSample(Sample):
    instruction: Text
    response: Text


class Own(Instruction):
    name = {name!r}
    sample_type = OwnSample


TASK = Own()
"""


def test_every_task_goes_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    # Other tests of this process may have loaded tasks of their own.
    monkeypatch.setattr(tasks._registry, "_loaded", {})
    assert {"temporal_grounding", "multiple_choice", "instruction"} <= set(TASKS)
    for name, task in TASKS.items():
        assert task.name == name
        assert set(task.judged) <= set(task.default_weights)


def test_an_unknown_task_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"did you mean 'multiple_choice'\?; known: .*instruction"):
        get_task("multiple_choise")


def test_a_task_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(OWN.format(name="own_task"))
    task = load_task_file(path)
    assert get_task("own_task") is task
    samples = tmp_path / "samples.jsonl"
    samples.write_text('{"id": "a", "task": "own_task", "video": "v", "instruction": "x", "response": "y"}\n')
    (sample,) = load_samples(samples)
    task.validate(sample)
    assert load_task_file(path) is get_task("own_task")


@pytest.mark.parametrize(
    ("text", "message"),
    [(OWN.format(name="instruction"), "already"), ("x = 1", "must define TASK"), (None, "no such file")],
)
def test_a_wrong_task_file(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "own.py"
    if text:
        path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_task_file(path)


def test_tasks_import_no_torch_and_are_quick() -> None:
    code = (
        "import sys, time; a = time.process_time(); import reeltune.tasks; b = time.process_time();"
        "assert 'pydantic' not in sys.modules; list(reeltune.tasks.TASKS);"
        "assert not {'torch', 'transformers', 'numpy', 'scipy'} & set(sys.modules); print(b - a)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.6


def test_the_table_has_every_task_of_the_package() -> None:
    """A file that ends with TASK and stands in no table would be a task that nobody finds."""
    folder = Path(tasks.__file__).parent
    files = [path for path in folder.rglob("*.py") if re.search(r"^TASK = ", path.read_text(), re.MULTILINE)]
    assert len(files) == len(tasks._registry._places) >= 7


def test_a_task_of_an_object_or_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks._registry, "_loaded", {})
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_tasks_here.py").write_text(OWN.format(name="one") + "OTHER = Own()\n")
    with pytest.raises(InputError, match="has no 'OTHR'; did you mean 'OTHER'"):
        load_task_file(f"{tmp_path / 'own_tasks_here.py'}:OTHR")
    task = load_task_file("own_tasks_here:OTHER")
    assert get_task("one") is task and "one" in TASKS and len(TASKS) == len(list(TASKS))
    with pytest.raises(InputError, match="already"):
        load_task_file("own_tasks_here:TASK")
