"""Results appear whole or not at all."""

from pathlib import Path

import pytest

from lantnet import InputError
from lantnet.results.files import as_json, staged, write_text


def test_files_replace_those_of_the_same_name_and_leave_others(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("1")
    (tmp_path / "new").write_text("old")
    with staged(tmp_path) as scratch:
        (scratch / "new").write_text("2")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"kept": "1", "new": "2"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    folder = tmp_path / "a" / "b"
    with pytest.raises(error), staged(folder) as scratch:
        (scratch / "half").write_text("2")
        raise error
    assert not folder.exists()


def test_a_file_in_the_way_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(InputError, match="folder"), staged(tmp_path / "x"):
        pass


def test_text_and_json(tmp_path: Path) -> None:
    write_text(tmp_path / "x.json", as_json({"a": 1}))
    assert (tmp_path / "x.json").read_text() == '{\n  "a": 1\n}\n'
    with pytest.raises(ValueError, match="JSON"):
        as_json(float("nan"))
