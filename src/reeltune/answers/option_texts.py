"""Where the texts of options and labels stand in an answer."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile

from reeltune.answers.plain import BOXED, UNBOXED
from reeltune.answers.spoken_numbers import UNITS

_WORD = r"[^\W\u3040-\u30ff\u4e00-\u9fff]"
"""A character of a word of a script that sets its words apart."""
_COUNT_WORD = re.compile(rf"(?<![a-z])(?:{'|'.join(sorted(UNITS[2:], key=len, reverse=True))})(?![a-z])", re.IGNORECASE)
_ONE = re.compile(r"(?<![0-9.])1(?![0-9]|\.[0-9])")
_BEGINS = re.compile(
    r"(?:^|[^\w\s]\s*|\n\s*|(?<![a-z])(?:is|be|answer|choose|pick|(?<!to )say|guess|think|so|and"
    r"|or)\s+)$",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"\s+(?!and |or |he |she |it |they |because )[a-z]")
"""'no way'"""
_SHADE = re.compile(r"(?<![a-z])(?:light|pale|dark|deep|bright|navy|sky|royal|baby|neon|hot)[\s-]$", re.IGNORECASE)
_NOT_PREFIXED = "".join(f"(?<!{each}-)" for each in ("non", "semi", "anti", "quasi", "pseudo"))
_ONE_OF = {
    **dict.fromkeys(("boy", "man", "guy", "father", "he"), "he"),
    **dict.fromkeys(("girl", "woman", "lady", "mother", "she"), "she"),
}


def normalized(text: str) -> str:
    """For comparing texts: one case, single blanks, no marks or quotes around.

    >>> normalized('  "The Red  ball." ')
    'the red ball'
    """
    return " ".join(text.casefold().split()).strip(" .,;:!?\"'`*()[]{}" + BOXED + UNBOXED)


def comparable(text: str) -> str:
    """`normalized`; marks alone ('?!') stay what they are."""
    return normalized(text) or text.strip()


def without_article(text: str) -> str:
    return re.sub(r"^(?:the|an?) (?=\S)", "", text)


def in_digits(text: str, texts: Sequence[str]) -> tuple[str, list[str]]:
    """Text and options with numbers as digits, where all options are numbers: "Five" is "5". "One" stays a word.

    >>> in_digits("I see 1, not three", ["one", "two", "3"])
    ('I see one, not 3', ['one', '2', '3'])
    """
    said = [_COUNT_WORD.sub(_digits, each) for each in texts]
    if not all(each.isdigit() or each == "one" for each in said):
        return text, list(texts)
    text = _COUNT_WORD.sub(_digits, text)
    return _ONE.sub("one", text) if "one" in said else text, said


def _digits(match: re.Match[str]) -> str:
    return str(UNITS.index(match[0].lower()))


class OptionTexts:
    """Where the options' texts stand in a text, longest first; texts that several options share are left out."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.index = {
            text: i for i, text in enumerate(texts) if len(text) > 1 or text.isdigit() if texts.count(text) == 1
        }
        # "Opens the door and sits" is not "opens the door" where a longer option is "opens the door and leaves".
        self.longer = {
            text: {other[len(text) :].split()[0] for other in texts if other.startswith(f"{text} ")}
            for text in self.index
        }
        # "Light blue" is not "blue" where another option is "dark blue".
        self.shaded = {text for text in self.index if any(other.endswith(f" {text}") for other in texts)}
        self.pronoun, self.stems = _stems(list(self.index))
        longest = sorted(self.index, key=len, reverse=True)
        body = _alternatives(longest)
        again = rf"|(?<![a-z]){self.pronoun}\s+(?:{_alternatives(self.stems)})" if self.stems else ""
        self.pattern = (
            re.compile(
                rf"(?<!{_WORD})(?<![0-9]\.)(?<!ish ){_NOT_PREFIXED}(?:(?:(?:the|an?)\s+)?(?:{body}){again})"
                rf"(?!{_WORD}|\.[0-9])",
                re.IGNORECASE,
            )
            if longest
            else None
        )

    def mentions(self, text: str) -> Iterator[tuple[int, int, int]]:
        """(start, end, option)"""
        for match in self.pattern.finditer(text) if self.pattern else ():
            said = " ".join(match[0].casefold().split())
            said = said if said in self.index else without_article(said)
            option = self.index.get(said, self.index.get(self.stems.get(said.partition(" ")[2], "")))
            rest = text[match.end() : match.end() + 40].casefold().split()
            if rest and text[match.end()].isspace() and rest[0] in self.longer.get(said, ()):
                continue
            if said in self.shaded and _SHADE.search(text, max(0, match.start() - 8), match.start()):
                continue
            # Yes and no are words of any prose: there they count only where they begin something.
            begins = _BEGINS.search(text, max(0, match.start() - 12), match.start())
            if said in ("yes", "no") and (not begins or (said == "no" and _GOES_ON.match(text, match.end()))):
                continue
            if option is not None:
                yield match.start(), match.end(), option


def _alternatives(texts: Iterable[str]) -> str:
    return "|".join(r"\s+".join(map(re.escape, text.split())) for text in texts)


def _stems(texts: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The pronoun for the words that all texts begin with, and the text of each rest.

    >>> _stems(["the boy sits down", "the boy stands up"])
    ('he', {'sits down': 'the boy sits down', 'stands up': 'the boy stands up'})
    """
    split = [text.split() for text in texts]
    shared = len(list(takewhile(lambda each: len(set(each)) == 1, zip(*split, strict=False)))) if len(texts) > 1 else 0
    if not shared or (split[0][shared - 1] not in _ONE_OF and split[0][0] not in ("the", "a", "an")):
        return "", {}
    rests = ((" ".join(words[shared:]), text) for words, text in zip(split, texts, strict=True))
    return _ONE_OF.get(split[0][shared - 1], "(?:he|she|it|they)"), {rest: text for rest, text in rests if rest}


def short_names(texts: Sequence[str], labels: Sequence[str]) -> dict[str, str]:
    """Words of one label that no other label has: "high" says "high quality"."""
    words = [set(text.replace("-", " ").split()) for text in texts]
    found: dict[str, str] = {}
    shared = set[str]().union(*(one & other for i, one in enumerate(words) for other in words[:i]))
    if not shared:
        return found
    for own, text, label in zip(words, texts, labels, strict=True):
        rest = " ".join(word for word in text.replace("-", " ").split() if word not in shared)
        if rest and rest not in texts and len(own) > len(rest.split()):
            found[rest] = label
            found[text.replace(" ", "-")] = label
    return found
