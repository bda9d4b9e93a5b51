"""Option letters and labels: one lenient reader for reward and metric.

A letter alone, in brackets, with a mark, with its option's text, the text alone, or stated in prose: the last stated
one (`statement`). Several letters, a letter past the options, a letter with the text of another option: no reading.
"""

import re
from collections.abc import Iterator, Sequence

from reeltune.answers.course import without_courses
from reeltune.answers.final_answer import Block
from reeltune.answers.grouping import WINDOW, Mention, alone
from reeltune.answers.limits import too_long
from reeltune.answers.option_texts import OptionTexts, in_digits, normalized, short_names, without_article
from reeltune.answers.plain import BOXED, plain
from reeltune.answers.reservations import CLOUDS
from reeltune.answers.statement import last_stated

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_LEAD = re.compile(
    r"^\W*(?:(?:assistant|the|my|best|correct|final|right|answers?|options?|choices?|letter|label|is|答案|选项?|是"
    r"|为)(?![a-z])\W*)*",
    re.IGNORECASE,
)
_LETTER = re.compile(
    r"(?<![A-Za-z0-9_'])(?:"
    r"(?P<open>[(\[{<\"'\u27e6])\s?(?P<inside>[A-Za-z])\s?[.:]?\s?[)\]}>\"'\u27e7]"
    r"|(?P<bare>[A-Za-z])(?![A-Za-z0-9_]|'[a-z]|-[a-z]|\.[A-Za-z]))"
    r"(?P<mark>\s?[.):])?"
)
_PREDICATE = re.compile(
    r"^[\"')]?\s*(?:$|[.,;:!?()\[/&\n\u27e7\u4e00-\u9fff-]|(?:the|is|was|are|and|or|nor|does|do|did|can|cannot|could|"
    r"would|should|must|has|seems?|looks|appears|matches|fits|best|describes|says|states|mentions|shows|suggests|"
    r"because|since|as|but|rather|instead|not|over|contradicts|claims|implies|refers|involves|fails|it is|isn't|"
    r"doesn't|can't|remains|happens|occurs|comes|came|wins|works|holds|over|while|with|due|among|correct|right"
    r"|wrong)(?![a-z]))"
)
_REASONED = re.compile(r"^(?:\s?,?\s(?:not|rather than|instead of|because|since|as)(?![a-z])|\s?[-:,(])")
_SHARE = re.compile(r"^\W{0,4}(?:[0-9.]{1,6}\s?(?:%|/\s?[0-9])|[01]?\.[0-9])")
"""'A: 10 %' is a probability."""
_TOLD_FIRST = re.compile(
    r"^(?:\s?[.:(](?!\s?[0-9])|\s-(?!>)|,? (?:while|since|because|as|although|though|whereas|but|not"
    r"|rather)(?![a-z])|, (?:with|almost)(?![a-z])|!)",
    re.I,
)
_ASKED = re.compile(r"^q(?:uestion)?\s?[:.]", re.IGNORECASE | re.MULTILINE)
_REPLIED = re.compile(r"^A\s?:", re.MULTILINE)
"""'Q: ... A: ...': here A names no option."""
_NEXT_SENTENCE = re.compile(r"^\s+[A-Z][a-z ]")
_MAKES = re.compile(r"(?:=|(?<![a-z])(?:mak(?:es?|ing)|totals?|in total))\W{0,4}$", re.IGNORECASE)
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
_ORDINAL = re.compile(r"(?:the )?([a-z]+) (?:option|choice|answer|one)")
_ORDINAL_IN = re.compile(
    rf"(?<![a-z])(?:the ({'|'.join(_ORDINALS)}) (?:option|choice|alternative)(?!\s?:)|(?:(?<=is )|(?<=be )"
    rf"|(?<=pick )|(?<=choose ))the ({'|'.join(_ORDINALS)}) one)(?![a-z])",
    re.I,
)
_IS = re.compile(r"(?<![a-z])the [^.!?,;:\n]{1,45} (?:is|was) $", re.IGNORECASE)
_ENDS = re.compile(r"\W*(?:$|\n|(?<=\.)\s)")
"""'The last action is C.'"""
_QUESTION = re.compile(r"\?\W*$|[✗✘❌]")
_THEN = re.compile(r"[^.!?;\n]{0,60}(?:,|and) (?:and )?then (?!the (?:video|clip))", re.IGNORECASE)
_OR = re.compile(r"[\w%]+ or (?:(?:the|an?) )?$", re.IGNORECASE)
_PLACE = re.compile(r"(?:at|in|on) (?:(?:the|an?) )?")
_ITEM = re.compile(r"^[ \t(*-]{0,6}([A-Z])\s?[.):]", re.MULTILINE)
_NAMED = re.compile(r"(?:option|choice|选项)\s?$", re.IGNORECASE)
_STATES_LABEL = re.compile(
    r"(?<![a-z])(?:(?:main|dominant|primary|overall|predominant|central) [a-z]{2,20}|rating|quality|class|category|"
    r"scene|setting|picture|action|activity|emotion|mood|genre|weather|type|level"
    r"|score)\W{0,3}(?:(?<![a-z])is(?![a-z])|[:=])\W{0,4}$",
    re.IGNORECASE,
)
_LOWER_STATED = re.compile(r"(?:answer|option|choice|ans)\W{0,3}(?:is|s|:|=)?\W{0,3}$", re.IGNORECASE)


def read_letter(block: Block, options: Sequence[str]) -> tuple[str | None, str | None]:
    """(letter, None), or (None, why it cannot be read)."""
    if not block.text:
        return None, "no answer"
    if reason := too_long(block.text):
        return None, reason
    text = plain(block.text, ("choice", "option", "letter", "selection"))
    if _ASKED.search(text):
        text = _REPLIED.sub("Answer:", text)
    texts = [without_article(normalized(plain(option))) for option in options]
    text, texts = in_digits(text, texts)
    names = LETTERS[: len(options)]
    text = _ORDINAL_IN.sub(lambda match: f"option {LETTERS[_ORDINALS.index((match[1] or match[2]).lower())]}", text)
    whole = "" if _QUESTION.search(text) else normalized(text)
    if len(whole) == 1 and whole.upper() in names:
        return whole.upper(), None
    stem = normalized(_LEAD.sub("", text, count=1)) if whole else ""
    if (place := _ORDINAL.fullmatch(whole)) and place[1] in _ORDINALS[: len(options)]:
        return LETTERS[_ORDINALS.index(place[1])], None
    places = [_PLACE.sub("", text) for text in texts]
    if all(_PLACE.match(text) for text in texts) and places.count(without_article(stem)) == 1:
        return LETTERS[places.index(without_article(stem))], None
    for form in (without_article(whole), without_article(stem)):
        if form and texts.count(form) > 1:
            return None, "text that several options share"
        if form in texts:
            return LETTERS[texts.index(form)], None
    if len(stem) == 1 and stem.upper() in LETTERS and stem.isascii():
        return _in_range(stem.upper(), names)
    mentions = list(_letters_and_texts(text, texts, names, tagged=block.tagged))
    if all(len(normalized(text[each.start : each.end])) > 1 for each in mentions):  # texts alone, no letter
        mentions = list(without_courses(text, mentions))
    values, reason = last_stated(text, mentions, states=_MAKES)
    if values is None:
        return None, "neither a letter nor an option's text" if reason == "nothing that answers" else reason
    return _in_range(str(values[0]), names)


def _in_range(letter: str, names: str) -> tuple[str | None, str | None]:
    return (letter, None) if letter in names else (None, f"letter {letter}, but the last option is {names[-1]}")


def _letters_and_texts(text: str, texts: Sequence[str], names: str, *, tagged: bool) -> Iterator[Mention]:
    """Mentions of options, in order: a letter together with its own text, a letter, a text."""
    found = OptionTexts(texts)
    spoken = iter(found.mentions(text))
    following = next(spoken, None)
    position = 0
    for match in _LETTER.finditer(text):
        while following and following[0] < match.start():
            if following[0] >= position:
                yield _told(text, following, names)
                position = following[1]
            following = next(spoken, None)
        if match.start() < position or not _is_letter(text, match, names):
            continue
        letter = (match["inside"] or match["bare"]).upper()
        end, problem = match.end(), None
        if following and following[0] < end:  # the letter is the first word of an option's text
            if following[1] > end:
                continue
            following = next(spoken, None)
        if (
            following
            and following[0] - end < 8
            and not re.search(r"[\w,;]", text[end : following[0]].replace("\n", ";"))
        ):
            if LETTERS[following[2]] == letter:
                end = following[1]
            elif match["mark"] or match["inside"]:
                problem, end = "a letter with the text of another option", following[1]
        # "So B. Note that A ...": the mark ends the sentence. "B. Right": it is that of a list's item.
        begins = match["open"] != BOXED and not re.search(
            r"\w", text[max(0, match.start() - 8) : match.start()].rpartition("\n")[2]
        )
        ends = end == match.end() and (match["mark"] or "").endswith(".") and not begins
        if ends and _NEXT_SENTENCE.match(text[end : end + 4]):
            end -= 1
        yield Mention(
            match.start(), end, letter, problem, _is_shy(text, match, tagged=tagged), _leads(text, match, end)
        )
        position = end
    while following:
        if following[0] >= position:
            yield _told(text, following, names)
            position = following[1]
        following = next(spoken, None)


def _told(text: str, found: tuple[int, int, int], values: Sequence[str]) -> Mention:
    """An option's or label's text; at the very start, a mark or a reason after it, it needs no further words."""
    start, end, index = found
    first = not re.search(r"\w", text[:start][-WINDOW:]) and start < WINDOW
    comma = text[end : end + 1] == "," and text[start:end].casefold() in ("yes", "no")
    leads = first and (comma or bool(_TOLD_FIRST.match(text[end : end + 24])))
    then = _THEN.match(text, end)
    problem = "what came first" if then else "one of several" if _OR.search(text, max(0, start - 24), start) else None
    return Mention(start, end, values[index], problem, leads=leads or alone(text, start, end))


def _is_letter(text: str, match: re.Match[str], names: str) -> bool:
    """Whether a lone character is meant as a letter: not the article, not the pronoun, not a name such as vitamin C."""
    if match["inside"]:
        return match["open"] in "([{<\u27e6" or match["inside"].isupper()
    letter, after = match["bare"], text[match.end("bare") : match.end("bare") + 24]
    before = text[max(0, match.start() - 24) : match.start()]
    if letter.islower():
        return bool(_LOWER_STATED.search(before)) and bool(re.match(r"\s*(?:$|[.,;:)\n\u27e7])", after))
    if letter in "AI" and not (match["mark"] or _PREDICATE.match(after)):
        return False
    if letter == "I" and re.match(r"\s+[a-z]", after) and not re.match(r"\s+is(?![a-z])", after):
        return False
    return letter in names or bool(match["mark"] or match["inside"] or _LOWER_STATED.search(before))


def _is_shy(text: str, match: re.Match[str], *, tagged: bool) -> bool:
    named = _NAMED.search(text, max(0, match.start() - 12), match.start())
    quoted = match["open"] in ("'", '"')
    return (not match["inside"] or quoted) and not tagged and not named


def _leads(text: str, match: re.Match[str], end: int) -> bool:
    """A letter at the very start with a mark or its text, or alone on its line."""
    first = match.start() < 12 and not re.search(r"\w", text[: match.start()])
    if _SHARE.match(text[end : end + 12]):
        return False
    marked = match["mark"] or match["inside"] or end > match.end() or _REASONED.match(text[end : end + 16])
    noun = _IS.search(text, max(0, match.start() - 60), match.start())
    named = noun and _ENDS.match(text, end) and not CLOUDS.search(noun[0])
    first = first and not _lists(text, (match["inside"] or match["bare"]).upper())
    return (first and bool(marked)) or bool(named) or alone(text, match.start(), end)


def _lists(text: str, letter: str) -> bool:
    """Whether further lines begin with other letters: then the first one begins a list of the options."""
    return any(each[1].upper() != letter for each in _ITEM.finditer(text))


def read_label(block: Block, labels: Sequence[str]) -> tuple[str | None, str | None]:
    """(label as the sample writes it, None), or (None, why it cannot be read)."""
    if not block.text:
        return None, "no answer"
    if reason := too_long(block.text):
        return None, reason
    text = plain(block.text, ("label", "class", "category", "rating", "choice"))
    texts = [normalized(plain(label)) for label in labels]
    if normalized(text) in texts and not _QUESTION.search(text):
        return labels[texts.index(normalized(text))], None
    names = dict(zip(texts, labels, strict=True)) | short_names(texts, labels)
    found = OptionTexts(list(names))
    full = list(names.values())
    mentions = list(without_courses(text, (_told(text, each, full) for each in found.mentions(text))))
    values, reason = last_stated(text, mentions, states=_STATES_LABEL)
    if values is None:
        return None, "no label" if reason == "nothing that answers" else reason
    return str(values[0]), None
