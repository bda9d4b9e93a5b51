"""Synonyms from Princeton WordNet 3.0: two words of one synset, among the most frequent senses of each."""

import gzip
from functools import cache
from importlib import resources

PARTS = "nvar"


@cache
def _senses() -> dict[str, dict[int, int]]:
    """word -> {number of the synset: rank of this sense among the word's senses of that part of speech}."""
    data = resources.files("reeltune.judges.words").joinpath("synonyms.txt.gz").read_bytes()
    found: dict[str, dict[int, int]] = {}
    for number, line in enumerate(gzip.decompress(data).decode("utf-8").splitlines()):
        for entry in line[2:].split(" "):
            word, _, rank = entry.rpartition(":")
            found.setdefault(word, {})[number] = int(rank)
    return found


def are_synonyms(first: str, second: str, *, senses: int = 2) -> bool:
    """Whether two lower-case lemmas share a synset that is among the first `senses` senses of both.

    Rare senses are left out, so that "run" does not mean "flow"; the table holds three. 0: never.
    """
    table = _senses()
    own, other = table.get(first, {}), table.get(second, {})
    return any(rank <= senses and other.get(synset, senses + 1) <= senses for synset, rank in own.items())
