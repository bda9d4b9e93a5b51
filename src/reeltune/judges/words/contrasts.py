"""Words of which a phrase says at most one: "turns on" is not "turns off", and "red blue" is not "red". And who does
what to whom: "girl hits boy" is not "boy hits girl". All of it is our choice; English."""

import re
from collections.abc import Sequence, Set

from reeltune.judges.words.wordnet import are_synonyms


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_GROUPS: tuple[frozenset[str], ...] = tuple(
    _words(line)
    for line in """
    red blue green yellow orange purple violet pink brown black white gray grey beige cyan magenta turquoise gold silver
    left right
    up down upward downward upwards downwards
    on off
    in out
    into onto from
    forward backward forwards backwards ahead
    over under above below
    toward towards away
    open close shut
    enter leave exit
    push pull
    start stop begin end finish
    before after
    first last
    rise fall
    raise lower drop
    appear vanish disappear
    sit stand lie kneel
    walk run jump
    lift put
    fast slow quickly slowly
    big small large tiny little huge
    long short
    tall short
    old young
    thin thick fat
    hot cold
    wet dry
    full empty
    dark light bright
    day night
    man woman boy girl
    circle square triangle rectangle
    one two three four five six seven eight nine ten
    """.strip().splitlines()
)
_SAME = {"into": "in", "inside": "in", "indoors": "in", "onto": "on", "outside": "out", "outdoors": "out"}
_PARTICLES = _words("on off up down in out away back over")
"""After a verb they make another one of it: "turns up" is not "turns on". They stand before or after the object."""
_PLACES = _words("in on at")
"""Between these, what is said to be where it is differs by habit: "sits in the chair", "sits on the chair"."""
_DEGREES = _words(
    """
    dark light bright pale deep very slightly quite rather slowly quickly suddenly then again there here to at in on
    with for by of into onto up down his her its
    """
)
"""Words that hedge nothing: a phrase may have them beyond another one without naming a second thing."""
_PEOPLE = _words(
    """
    man woman boy girl child kid baby lady guy person someone somebody individual human adult player worker chef dancer
    teacher student driver rider runner singer performer athlete
    """
)
_ANYBODY = frozenset({"person", "someone", "somebody", "individual", "human", "adult", "people"})
_PASSIVE = re.compile(
    r"(?:\b(?:is|was|are|were|being|been|gets?|got)\s+\w+|^\s*\w+(?:ed|en|it|ld|nt|ght))\s+by\b", re.IGNORECASE
)


def differ(own: Sequence[str], other: Sequence[str], *, senses: int) -> bool:
    """Whether two phrases, as lemmas, name different things of one group, or one of them names one more."""

    def lack(some: Set[str], others: Set[str]) -> bool:
        return any(
            word not in others and not any(are_synonyms(word, each, senses=senses) for each in others) for word in some
        )

    for group in _GROUPS:
        mine, theirs = group.intersection(_plain(own)), group.intersection(_plain(other))
        if mine and theirs and (lack(mine, theirs) or lack(theirs, mine)):
            return True
    return _particles_differ([*map(_canonical, own)], [*map(_canonical, other)])


def _canonical(word: str) -> str:
    return _SAME.get(word, word)


def _plain(words: Sequence[str]) -> set[str]:
    """The words, and "in" for "into"."""
    return {*words, *map(_canonical, words)}


def _particles_differ(own: Sequence[str], other: Sequence[str]) -> bool:
    """Whether one verb has another particle in each: right behind it, "turns up the lamp", or at the end."""
    mine, theirs = ({each for each in (*words[1:2], *words[-1:]) if each in _PARTICLES} for words in (own, other))
    if own[:1] != other[:1] or not mine or not theirs:
        return False
    return mine.isdisjoint(theirs) and not mine | theirs <= _PLACES


def missing(said: Sequence[str], meant: Sequence[str], *, senses: int) -> int:
    """How many words of what is meant the other phrase leaves open; one where it leaves open only which of what
    excludes each other, as "turns the lamp" leaves on or off."""
    told = {*map(_canonical, said)}

    def is_open(word: str) -> bool:
        alike = any(are_synonyms(word, each, senses=senses) for each in said)
        return _canonical(word) not in told and not alike and any(word in group for group in _GROUPS)

    return max(surplus(meant, said), int(any(map(is_open, meant))))


def surplus(own: Sequence[str], other: Sequence[str]) -> int:
    """How many words the first phrase has beyond the second one's, those that only say how or where left out."""
    extra = list(own)
    for word in other:
        if word in extra:
            extra.remove(word)
    return max(0, len([word for word in extra if word not in _DEGREES]) - max(0, len(other) - (len(own) - len(extra))))


def roles_swapped(first: str, second: str, own: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two words stand on the other side of a third one: "girl hits boy" and "boy hits girl"; or nothing tells
    which side they stand on: "girl boy hits".

    A passive turns it around: "boy is hit by girl" is "girl hits boy", and "hit by a boy" is not "hits a boy".
    """
    passive = bool(_PASSIVE.search(first)) != bool(_PASSIVE.search(second))
    places = {word: index for index, word in enumerate(other)}
    shared = [places[word] for word in dict.fromkeys(own) if word in places and word not in ("by", *_PARTICLES)]
    turned = any(a > b > c for a, b, c in _triples(shared))
    kept = any(a < b < c for a, b, c in _triples(shared))
    if passive:
        return kept or (len(shared) == 2 and not turned)
    return turned or (len(shared) > 2 and not kept)


def same_kind(own: Sequence[str], other: Sequence[str]) -> bool:
    """Whether one names anybody and the other somebody: "person" may be the "woman"."""
    return bool(own and other) and (
        (own[-1] in _ANYBODY and other[-1] in _PEOPLE) or (other[-1] in _ANYBODY and own[-1] in _PEOPLE)
    )


def _triples(values: Sequence[int]) -> list[tuple[int, int, int]]:
    count = min(len(values), 12)
    return [
        (values[i], values[j], values[k])
        for i in range(count)
        for j in range(i + 1, count)
        for k in range(j + 1, count)
    ]
