"""How alike two short phrases are: lemmas and synonyms matched one to one.

The published systems name no matching function, so all of this is our choice: lower case; English lemmas from
simplemma; articles, auxiliaries and possessives left out; two words match when their lemmas are equal or synonyms in
WordNet; the similarity is the Dice share of matched words, and 0 when only one of the phrases is negated, when they
differ in what excludes each other (on and off, red and blue, several at once) or when who does it to whom is swapped.
"""

import re
from functools import lru_cache

from reeltune.judges.words.contrasts import differ, missing, roles_swapped, same_kind, surplus
from reeltune.judges.words.wordnet import are_synonyms

_DROPPED = re.compile(
    "a|an|the|this|that|these|those|is|are|am|was|were|be|been|being|do|does|did|has|have|had|will|would|can|could|"
    "his|her|its|their|my|your|our|of|and"
)
_NEGATIONS = frozenset({"no", "not", "never", "none", "nobody", "nothing", "without", "neither", "nor", "cannot"})
_LONGEST = 50
"""Words of a phrase that are compared: attributes and actions are shorter, and rambling must not cost time."""
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


@lru_cache(maxsize=8192)
def lemmas(text: str) -> tuple[str, ...]:
    """The content words of a text as lower-case lemmas, in order. A text of dropped words alone keeps them."""
    import simplemma

    words = [word.replace("’", "'") for word in _WORD.findall(text.lower())]
    kept = [word for word in words if not _DROPPED.fullmatch(word)] or words
    return tuple("not" if word.endswith("n't") else str(simplemma.lemmatize(word, lang="en")).lower() for word in kept)


@lru_cache(maxsize=65536)
def similarity(first: str, second: str, *, senses: int = 2) -> float:
    """0 (nothing in common) to 1 (the same words or synonyms of them): 2 * matched / (words of both)."""
    own, other = lemmas(first)[:_LONGEST], lemmas(second)[:_LONGEST]
    if not own or not other or _negated(own) != _negated(other) or differ(own, other, senses=senses):
        return 0.0
    if roles_swapped(first, second, own, other):
        return 0.0
    return 2.0 * _matches(own, other, senses) / (len(own) + len(other))


def hedged(said: str, meant: str, *, senses: int = 2) -> float:
    """What a match is worth, 1 down to 0: half for each word that names something beyond what is meant, and half for
    each that it leaves open.

    So naming k alternatives in one phrase, or none of two, earns no more than picking one of them by chance.
    """
    own, other = lemmas(said)[:_LONGEST], lemmas(meant)[:_LONGEST]
    return 0.5 ** (surplus(own, other) + missing(own, other, senses=senses))


def names_alike(first: str, second: str, *, senses: int = 2) -> float:
    """`similarity` of two names of subjects; "person" and "woman" may be the same: 0.5."""
    alike = similarity(first, second, senses=senses)
    return max(alike, 0.5) if same_kind(lemmas(first), lemmas(second)) else alike


def containment(text: str, phrase: str, *, senses: int = 2) -> float:
    """The share of the phrase's words that the text has, one for one."""
    wanted = lemmas(phrase)[:_LONGEST]
    return _matches(wanted, lemmas(text), senses) / len(wanted) if wanted else 1.0


def _negated(words: tuple[str, ...]) -> bool:
    return any(word in _NEGATIONS for word in words)


def _matches(own: tuple[str, ...], other: tuple[str, ...], senses: int) -> int:
    """The largest number of one-to-one matches (augmenting paths; phrases are short)."""
    partners = [
        [index for index, word in enumerate(other) if word == wanted or are_synonyms(wanted, word, senses=senses)]
        for wanted in own
    ]
    taken: dict[int, int] = {}

    def place(position: int, tried: set[int]) -> bool:
        for index in partners[position]:
            if index not in tried:
                tried.add(index)
                if index not in taken or place(taken[index], tried):
                    taken[index] = position
                    return True
        return False

    return sum(place(position, set()) for position in range(len(own)))
