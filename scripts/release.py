"""Make a release: version, changelog, citation, tag, wheels, checks.

python scripts/release.py reeltune 0.2.0 --dry-run   print what would change; change nothing
python scripts/release.py reeltune 0.2.0             change, build into dist/, commit, tag reeltune-v0.2.0
python scripts/release.py lantnet 0.3.0              the same for the other distribution

Nothing is pushed: that stays with a person (git push origin main TAG && twine upload dist/*).
"""

import argparse
import datetime
import difflib
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
VERSION = re.compile(r"\d+\.\d+\.\d+((a|b|rc)\d+)?")


@dataclass(frozen=True)
class Project:
    """A distribution: its folder, and file -> the line in it that holds the version; `needed`: a file of its wheel."""

    folder: str
    places: dict[str, str]
    needed: str


VERSION_LINE = r'^(__version__ = ")[^"]+(")'
PROJECTS = {
    "reeltune": Project(
        ".",
        {
            "pyproject.toml": r'^(version = ")[^"]+(")',
            "src/reeltune/__init__.py": VERSION_LINE,
            "CITATION.cff": r"^(version: )\S+()",
        },
        "reeltune/recipes/toy/grpo.yaml",
    ),
    "lantnet": Project("lantnet", {"src/lantnet/__init__.py": VERSION_LINE}, "lantnet/__init__.py"),
}


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=PROJECTS)
    parser.add_argument("version")
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    args = parser.parse_args(words)
    project, tag = PROJECTS[args.name], f"{args.name}-v{args.version}"
    folder = args.root / project.folder
    if problem := refusal(args.root, folder, args.version, tag):
        print(f"release: {problem}", file=sys.stderr)
        return 2
    changes = edits(folder, project, args.version, datetime.date.today())
    for name, text in changes.items():
        print("".join(diff(folder / name, name, text)), end="")
    if args.dry_run:
        print(f"would build dist/, commit and tag {tag}; nothing was changed")
        return 0
    for name, text in changes.items():
        (folder / name).write_text(text, encoding="utf-8")
    build(args.root, folder, args.name, args.version, project.needed)
    git(args.root, "commit", "--quiet", "--all", "--message", f"Release {args.name} {args.version}")
    git(args.root, "tag", "--annotate", tag, "--message", f"{args.name} {args.version}")
    print(f"dist/ is built and {tag} is tagged; next: git push origin main {tag}")
    return 0


def refusal(root: Path, folder: Path, version: str, tag: str) -> str | None:
    """Why no release of this version can be made now; None when it can."""
    if not VERSION.fullmatch(version):
        return f"{version!r} is no version; write X.Y.Z, or X.Y.Zrc1"
    if git(root, "status", "--porcelain", "--untracked-files=no"):
        return "the working tree has changes that are not committed; commit or stash them"
    if git(root, "tag", "--list", tag):
        return f"the tag {tag} exists"
    if not unreleased(folder):
        return f"{folder / 'CHANGELOG.md'} has nothing under `## Unreleased`"
    return None


def edits(folder: Path, project: Project, version: str, today: datetime.date) -> dict[str, str]:
    """File -> its new text. An error when a file has no line for the version: a release with two versions is none."""
    changed = {}
    for name, pattern in project.places.items():
        text, count = re.subn(pattern, rf"\g<1>{version}\g<2>", _read(folder / name), count=1, flags=re.MULTILINE)
        if count != 1:
            raise SystemExit(f"release: {name} has no line with a version")
        changed[name] = text
    if cited := changed.get("CITATION.cff"):
        undated = re.sub(r"^date-released: .*\n", "", cited, flags=re.MULTILINE)
        changed["CITATION.cff"] = undated.replace("\nlicense:", f"\ndate-released: {today.isoformat()}\nlicense:")
    heading = f"## Unreleased\n\n## {version} ({today.isoformat()})\n"
    changed["CHANGELOG.md"] = _read(folder / "CHANGELOG.md").replace("## Unreleased\n", heading, 1)
    return changed


def unreleased(folder: Path) -> str:
    """What the changelog has that no release has."""
    return _read(folder / "CHANGELOG.md").partition("## Unreleased\n")[2].partition("\n## ")[0].strip()


def build(root: Path, folder: Path, name: str, version: str, needed: str) -> None:
    """Wheel and source archive in dist/, looked into: the version, and the file that is easily left out."""
    subprocess.run([sys.executable, "-m", "build", "--outdir", str(root / "dist"), str(folder)], check=True)
    [wheel] = (root / "dist").glob(f"{name}-{version}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        if needed not in archive.namelist():
            raise SystemExit(f"release: {wheel} lacks {needed}")


def diff(path: Path, name: str, text: str) -> list[str]:
    old = _read(path).splitlines(keepends=True)
    return list(difflib.unified_diff(old, text.splitlines(keepends=True), name, name, n=0))


def git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
