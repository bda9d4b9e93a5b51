"""What `mkdocs` must know of this repository: pages that stand outside docs/, links to files that are no pages."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
OUTSIDE = {
    "README.md": "index.md",
    "benchmarks/RESULTS.md": "results.md",
    "SECURITY.md": "security.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
}
CODE = re.compile(r"(^```.*?^```|^    [^\n]*$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
MENTION = re.compile(r"(?<!\]\()(?<![\w/\[.-])docs/([\w-]+)\.md\b(?!#)")
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    """The pages outside docs/ become pages of the site, as they are."""
    for path, name in OUTSIDE.items():
        files.append(File.generated(config, name, content=(ROOT / path).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links as they stand in the repository, to pages of the site; to a file that is none, its name alone.

    A page that a text only names (docs/data.md) becomes a link. In code, the bar that a table needs escaped on GitHub
    needs no escape here.
    """
    source = {name: path for path, name in OUTSIDE.items()}.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    here = (ROOT / source).parent

    def link(match: re.Match[str]) -> str:
        image, words, target, anchor = match[1], match[2], match[3], match[4] or ""
        path = (here / target).resolve()
        if not path.exists():
            return match[0]  # mkdocs says that it is broken
        name = path.relative_to(ROOT).as_posix()
        name = OUTSIDE.get(name, name.removeprefix("docs/") if name.startswith("docs/") else "")
        if not name:
            name = path.relative_to(ROOT).as_posix()
            return f"`{name}`" if words.strip("`") in (name, path.name) else f"{words} (`{name}`)"
        up = "../" * page.file.src_uri.count("/")
        return f"{image}[{words}]({up}{name}{anchor})"

    def mention(match: re.Match[str]) -> str:
        return f"[{match[1]}]({'../' * page.file.src_uri.count('/')}{match[1]}.md)"

    parts = CODE.split(LINK.sub(link, markdown))  # text, code, text, code, ...
    parts[::2] = [MENTION.sub(mention, part) for part in parts[::2]]
    parts[1::2] = [part if part.startswith("```") else part.replace("\\|", "|") for part in parts[1::2]]
    # `bash run` says to a test that the block is to be run.
    return "".join(parts).replace("```bash run\n", "```bash\n")
