"""pyproject.toml, constraints and Makefile agree: what is installed is what was tested."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LANTNET = tomllib.loads((ROOT / "lantnet" / "pyproject.toml").read_text())["project"]


def pins(name: str) -> dict[str, Version]:
    lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
    found = dict(line.split("==") for line in lines)
    assert len(found) == len(lines)
    return {canonicalize_name(package): Version(version) for package, version in found.items()}


def declared(project: dict[str, object], *extras: str) -> list[Requirement]:
    optional = project["optional-dependencies"]
    texts = [*project["dependencies"], *(text for extra in extras for text in optional[extra])]  # type: ignore
    return [each for each in map(Requirement, texts) if each.name not in ("torch", "reeltune")]


@pytest.mark.parametrize(
    ("file", "requirements"),
    [
        ("constraints.txt", declared(PROJECT, "test", "dev") + declared(LANTNET, "dev")),
        ("constraints-oldest.txt", declared(PROJECT, "test")),
    ],
    ids=("newest", "oldest"),
)
def test_every_requirement_has_a_tested_version_that_meets_it(file: str, requirements: list[Requirement]) -> None:
    tested = pins(file)
    for requirement in requirements:
        version = tested.get(canonicalize_name(requirement.name))
        assert version is not None, f"{file} has no version of {requirement.name}"
        assert version in requirement.specifier, f"{file}: {version} does not meet {requirement}"


def test_torch_is_named_by_the_makefile_alone() -> None:
    for file in ("constraints.txt", "constraints-oldest.txt"):
        text = (ROOT / file).read_text()
        assert not [name for name in pins(file) if re.match(r"torch$|nvidia|cuda|triton", name)]
        assert "://" not in text and "--hash" not in text and "+" not in text
    assert re.search(r"^TORCH \?= .*torch==\d", (ROOT / "Makefile").read_text(), re.M)


def test_both_ends_of_the_range_of_transformers_are_tested() -> None:
    (transformers,) = (each for each in declared(PROJECT) if each.name == "transformers")
    ends = {each.operator: Version(each.version) for each in transformers.specifier}
    newest, oldest = pins("constraints.txt")["transformers"], pins("constraints-oldest.txt")["transformers"]
    assert oldest == Version(f"{ends['>=']}") and oldest < newest < ends["<"]
    assert newest.release[:2] == (ends["<"].release[0], ends["<"].release[1] - 1), "a minor version is not tested"


def test_ci_runs_both() -> None:
    made = re.findall(r"^make (.+)", (ROOT / ".ci" / "run").read_text(), re.M)
    assert {"test", "lint", "test-oldest"} <= {word for words in made for word in words.split()}
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert ".ci/run" in workflow
