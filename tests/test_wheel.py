"""The wheel, built from the sources and installed into an environment of its own, is all that `reeltune` needs.

Installing PyTorch again would take minutes and gigabytes, so the new environment finds third-party packages in the
running one, after every requirement that the wheel declares was checked against the versions there. The directory is
put on its path as a plain folder: .pth files of editable installs in it are not read.
"""

import ast
import email
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
OPTIONAL = {"tensorboard", "wandb", "mlflow", "trackio", "pandas", "peft", "flash_attn", "pyarrow", "vllm"}
"""Imported only where a setting asks for them; a message names the package that is missing."""
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "src", "recipes")


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}


def call(*words: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, cwd=cwd, env=clean_environment(), timeout=300
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built in a copy: what an earlier build left beside the sources must not get in."""
    folder = tmp_path_factory.mktemp("build")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(source, folder / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    call(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        folder,
        folder,
        cwd=folder,
    )
    (built,) = folder.glob("reeltune-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a new environment with the wheel in it, and third-party packages from this one."""
    folder = tmp_path_factory.mktemp("environment")
    call(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    python = folder / "bin" / "python"
    call(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel, cwd=folder)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "third_party.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder / "bin"


def default_requirements(wheel: Path) -> list[Requirement]:
    with ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if each.endswith(".dist-info/METADATA"))
        header = email.message_from_bytes(archive.read(name))
    found = [Requirement(line) for line in header.get_all("Requires-Dist", [])]
    return [each for each in found if each.marker is None or each.marker.evaluate({"extra": ""})]


def test_every_declared_requirement_is_met_here(wheel: Path) -> None:
    declared = default_requirements(wheel)
    assert {"torch", "transformers", "av", "pydantic", "numpy"} <= {each.name for each in declared}
    for requirement in declared:
        version = metadata.version(requirement.name)
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement}, but {version} is installed"


def test_every_import_of_the_package_is_declared(wheel: Path) -> None:
    """The new environment also sees what the wheel does not declare (hypothesis, peft): so imports are looked at."""
    roots = set()
    for path in (ROOT / "src" / "reeltune").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                roots |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                roots.add(node.module.partition(".")[0])
    third_party = roots - sys.stdlib_module_names - {"reeltune"}
    names = {"yaml": "pyyaml", "PIL": "pillow"}
    undeclared = {names.get(root, root) for root in third_party} - {each.name for each in default_requirements(wheel)}
    assert undeclared <= OPTIONAL, f"imported, but no dependency: {sorted(undeclared - OPTIONAL)}"
    assert {"torch", "pyyaml"} <= {names.get(root, root) for root in third_party}


def test_what_is_no_code_is_in_the_wheel(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    bases = ("src/reeltune/toyworld/base", "src/reeltune/toyworld/second/base")
    for folder in ("recipes", *bases, "src/reeltune/judges/words", "src/reeltune/report"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                inside = path.relative_to(ROOT).as_posix().removeprefix("src/")
                assert (inside if inside.startswith("reeltune/") else f"reeltune/{inside}") in names, inside
    assert not any(name.startswith(("tests/", "lantnet/", "benchmarks/")) for name in names)


def test_the_package_is_imported_from_the_new_environment(installed: Path, tmp_path: Path) -> None:
    found = call(installed / "python", "-c", "import reeltune; print(reeltune.__file__)", cwd=tmp_path).strip()
    assert Path(found).is_relative_to(installed.parent) and not Path(found).is_relative_to(ROOT)


def test_the_commands_work(installed: Path, tmp_path: Path) -> None:
    command = installed / "reeltune"
    assert call(command, "--version", cwd=tmp_path).startswith("reeltune ")
    assert "toy/grpo" in call(command, "recipes", "list", cwd=tmp_path)
    generate = (
        "from pathlib import Path; from reeltune.toyworld.generate import generate; "
        "generate(Path('toy'), videos=3, tasks=['temporal_grounding'])"
    )
    call(installed / "python", "-c", generate, cwd=tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "toy" / "train.jsonl").read_text().splitlines()]
    assert len(rows) == 3
    texts = [f"<answer>{row['target'][0][0]} to {row['target'][0][1]}</answer>" for row in rows]
    lines = [json.dumps({"id": row["id"], "text": text}) for row, text in zip(rows, texts, strict=True)]
    (tmp_path / "predictions.jsonl").write_text("\n".join(lines) + "\n")
    call(command, "score", "toy/train.jsonl", "predictions.jsonl", "--json", "scores.json", cwd=tmp_path)
    assert json.loads((tmp_path / "scores.json").read_text())["temporal_grounding"]["miou"] > 99


def test_the_shipped_model_answers(installed: Path, tmp_path: Path) -> None:
    words = ("eval", "toyworld:base", "toyworld:held_out/temporal_grounding", "-o", "out", "toyworld.held_out_videos=2")
    assert "miou" in call(installed / "reeltune", *words, cwd=tmp_path)
    assert len((tmp_path / "out" / "predictions.jsonl").read_text().splitlines()) == 2
