"""scripts/release.py, on a repository of its own."""

import importlib.util
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
FILES = ("pyproject.toml", "CITATION.cff", "CHANGELOG.md", "src/reeltune/__init__.py", "lantnet/CHANGELOG.md",
         "lantnet/src/lantnet/__init__.py")  # fmt: skip


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Any:
    spec = importlib.util.spec_from_file_location("release", ROOT / "scripts" / "release.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, "release", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "a test")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "test@example.org")
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "all")
    return tmp_path


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_a_release_changes_every_place_and_is_tagged(release: Any, repository: Path, monkeypatch: Any) -> None:
    built: list[tuple[Any, ...]] = []
    monkeypatch.setattr(release, "build", lambda *words: built.append(words))
    notes = release.unreleased(repository)
    assert notes
    assert release.main(["reeltune", "9.8.7", "--root", str(repository)]) == 0
    assert built and git(repository, "tag").split() == ["reeltune-v9.8.7"] and not git(repository, "status", "-s")
    assert all("9.8.7" in (repository / name).read_text() for name in FILES[:4])
    cited = (repository / "CITATION.cff").read_text()
    assert cited.count("date-released: ") == 1 and cited.count("version: 9.8.7") == 1
    assert release.unreleased(repository) == "" and notes in (repository / "CHANGELOG.md").read_text()
    assert "9.8.7" not in (repository / FILES[5]).read_text(), "LANTNet has a version of its own"


def test_a_dry_run_changes_nothing(release: Any, repository: Path, capsys: Any) -> None:
    assert release.main(["lantnet", "9.8.7", "--root", str(repository), "--dry-run"]) == 0
    assert '+__version__ = "9.8.7"' in capsys.readouterr().out
    assert not git(repository, "status", "-s") and not git(repository, "tag")


def test_what_is_refused(release: Any, repository: Path, capsys: Any) -> None:
    def said(version: str) -> str:
        assert release.main(["reeltune", version, "--root", str(repository), "--dry-run"]) == 2
        return str(capsys.readouterr().err)

    assert "write X.Y.Z" in said("next")
    git(repository, "tag", "reeltune-v9.8.7")
    assert "the tag reeltune-v9.8.7 exists" in said("9.8.7")
    (repository / "CITATION.cff").write_text("changed")
    assert "not committed" in said("9.8.8")
