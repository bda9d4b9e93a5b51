"""Makes `synonyms.txt.gz` from the database files of Princeton WordNet 3.0.

    python -m reeltune.judges.words.wordnet_build DICT_FOLDER src/reeltune/judges/words/synonyms.txt.gz

WordNet itself is no Python package that a registry serves with its data, so the small part that is used here ships
with this one, under WordNet's own license (`WORDNET-LICENSE`). A line is one synset: its single words, each with
the rank of this sense among the word's senses of that part of speech, most frequent first. Words of several tokens,
senses past `SENSES` and synsets that leave a single word are left out.
"""

import gzip
import re
import sys
from pathlib import Path

SENSES = 3
PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}


def synsets(folder: Path) -> list[str]:
    """The lines of the table from WordNet's `data.*` and `index.*` files."""
    lines = []
    for name, part in PARTS.items():
        ranks = _ranks(folder / f"index.{name}")
        for offset, words in _words(folder / f"data.{name}"):
            ranked = {word: ranks.get((word, offset), SENSES + 1) for word in words if "_" not in word}
            kept = sorted((rank, word) for word, rank in ranked.items() if rank <= SENSES)
            if len(kept) > 1:
                lines.append(f"{part} " + " ".join(f"{word}:{rank}" for rank, word in kept))
    return lines


def _ranks(path: Path) -> dict[tuple[str, str], int]:
    """(word, synset offset) -> rank of the sense from 1."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith(" "):
            fields = line.split()
            for rank, offset in enumerate(fields[-int(fields[2]) :], start=1):
                found[fields[0], offset] = rank
    return found


def _words(path: Path) -> list[tuple[str, list[str]]]:
    """(offset, words) of every synset; adjectives lose their marker of position."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith(" "):
            fields = line.split(" ")
            count = int(fields[3], 16)
            words = [re.sub(r"\(\w+\)$", "", fields[4 + 2 * index]).lower() for index in range(count)]
            found.append((fields[0], words))
    return found


if __name__ == "__main__":
    text = "\n".join(synsets(Path(sys.argv[1]))) + "\n"
    Path(sys.argv[2]).write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))
