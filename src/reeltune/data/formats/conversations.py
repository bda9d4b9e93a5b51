"""Conversations: the forms in which people keep video training data of their own.

Which one a file has shows in its entries: LLaMA-Factory (JSON of `messages` and `videos`), ms-swift (the same as JSON
Lines), ShareGPT (`conversations` of from and value, and `video`; LLaVA-Video writes `<image>` where its video goes),
TRL (`messages`, or `prompt` and `completion`, whose content may be a list of parts), ms-swift's older pairs (`query`,
`response`, `history`) and Alpaca's (`instruction`, `input`, `output`, `history`), both beside `videos` as ms-swift and
LLaMA-Factory read them. Files for reward functions end with the question and have its answer as `solution`.

The last question and its answer make a sample, what was said before its turns, with what each turn shows. A question
for a time in one video that is answered by spans is temporal_grounding; one that lists options, answered by one of
them, is multiple_choice; all others are instruction. Anything else is left out and counted.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from reeltune.answers.final_answer import Block, answer_text
from reeltune.data.formats import Annotations, Benchmark, Row
from reeltune.data.formats._choices import listed_options
from reeltune.data.formats._grounding import video_duration
from reeltune.data.formats._shown import PLACES, Message, shown_by
from reeltune.data.formats._training import LeftOut, entry_id, rows_of
from reeltune.errors import VideoError
from reeltune.tasks.choices import LETTERS, read_letter
from reeltune.tasks.spans import Span, read_spans

_ROLES = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "system": "system",
}

_PAIRS = {"ms-swift's pairs": ("query", "response"), "Alpaca": ("instruction", "output")}
"""Where question and answer stand, by form."""

_TIME = r"(?:\d+(?::\d{1,2}){1,2}(?:\.\d+)?|\d+(?:\.\d+)?)(?:\s*(?:seconds?|secs?|s))?"
_SPAN = (
    rf"(?:{_TIME}\s*(?:to|and|until|till|through|-+>?|–|—|→|~)\s*{_TIME}"
    rf"|\[\s*{_TIME}\s*,\s*{_TIME}\s*\]|\(\s*{_TIME}\s*,\s*{_TIME}\s*\))"
)
_LEAD = r"(?:(?:the|this|given|it|event|query|happens|occurs|is|takes|place|from|between|in|at|during)\s+)*"
_SPANS = re.compile(rf"{_LEAD}{_SPAN}(?:\s*(?:[,;]|and)\s*(?:from\s+)?{_SPAN})*\s*\.?", re.IGNORECASE)

_ASKS_FOR_TIME = re.compile(
    r"(?:^|[.!?:;,\n]\s*)when\b|\bwhen\s+(?:do|does|did|is|are|was|were|will|can|exactly|in the video)\b"
    r"|\b(?:at|during|in|from)?\s*(?:what|which)\s+(?:\w+\s+)?(?:time|times|second|seconds|moment|part|point|period)\b"
    r"|\btime\s*-?(?:span|range|interval|period|window|segment|stamp|frame)s?\b|\b(?:start|end)(?:ing)?\s+times?\b"
    r"|\b(?:moment|segment|interval)s?\b|\blocali[sz]e\b",
    re.IGNORECASE,
)
_ASKS_FOR_AMOUNT = re.compile(r"\bhow\s+(?:many|much|long|often|old)\b|\b(?:score|ratio)\b", re.IGNORECASE)


def form_of(entry: Row, *, lines: bool) -> str | None:
    """LLaMA-Factory, ms-swift, ShareGPT, TRL or pairs; None for an entry of no such form. `lines`: from JSON Lines."""
    if "task" in entry:
        return None
    if isinstance(entry.get("conversations"), list):
        return "ShareGPT"
    if isinstance(entry.get("prompt"), list) and ("solution" in entry or isinstance(entry.get("completion"), list)):
        return "TRL"
    messages = entry.get("messages")
    if not isinstance(messages, list):
        return next((name for name, keys in _PAIRS.items() if _is_pair(entry, *keys)), None)
    if any(isinstance(message, dict) and isinstance(message.get("content"), list) for message in messages):
        return "TRL"
    return "ms-swift" if lines else "LLaMA-Factory"


def _is_pair(entry: Row, question: str, answer: str) -> bool:
    """A question as text, and its answer beside it, or the answer a reward function compares."""
    answered = entry.get(answer) is not None or (question == "query" and entry.get("solution") is not None)
    return isinstance(entry.get(question), str) and answered


def recognizes(entry: Row) -> bool:
    return form_of(entry, lines=False) is not None


def read(annotations: Annotations) -> Iterator[Row]:
    lines = annotations.file.suffix == ".jsonl"
    lengths: dict[str, float] = {}

    def length(video: str) -> float:
        if video not in lengths:
            lengths[video] = _length(annotations, video)
        return lengths[video]

    def convert(entry: Row, number: int) -> Row:
        annotations.counts[f"entries in the form of {form_of(entry, lines=lines)}"] += 1
        return _row(entry, number, annotations, length)

    yield from rows_of(
        annotations,
        convert,
        recognizes,
        "`messages`, `conversations`, `prompt` and `completion` or `solution`, `query` and `response`, or "
        "`instruction` and `output`",
    )


def _length(annotations: Annotations, video: str) -> float:
    try:
        found = video_duration(annotations, video)
    except VideoError as error:
        raise LeftOut("questions about a time whose video cannot be read") from error
    assert found is not None, "the video was found before"
    return found


def _row(entry: Row, number: int, annotations: Annotations, length: Callable[[str], float]) -> Row:
    messages = _messages(entry)
    media = shown_by(entry, messages, annotations)
    said = [(role, _words(parts), shown) for (role, parts), shown in zip(messages, media, strict=True)]
    turns = [turn for turn in said if turn[0] != "system"]
    if not turns or [role for role, _, _ in turns] != ["user", "assistant"] * (len(turns) // 2):
        raise LeftOut("entries without a question followed by an answer")
    if not all(text for _, text, _ in turns):
        raise LeftOut("entries with an empty question or answer")
    answer = _answer(turns[-1][1], annotations)
    everything = [medium for _, _, shown in turns for medium in shown]
    whole = everything[0]["video"] if len(everything) == 1 and everything[0].keys() == {"video"} else None
    found: Row = {"id": entry_id(entry.get("id"), number), "source": "conversations"}
    found |= _sample(turns[-2][1], answer, None if whole is None else lambda: length(whole), annotations)
    if whole is not None and turns[-2][2]:
        found["video"] = whole
    elif turns[-2][2]:
        found["media"] = turns[-2][2]
    if not everything:
        annotations.counts["entries without a video or an image: kept as text only"] += 1
    if len(turns) > 2:
        found["turns"] = [
            {"role": role, "text": text, **({"media": shown} if shown else {})} for role, text, shown in turns[:-2]
        ]
    system = " ".join(text for role, text, _ in said if role == "system") or entry.get("system")
    return found | ({"system": str(system)} if system else {})


def _words(parts: list[Row]) -> str:
    text = "\n".join(part.get("text") or "" for part in parts if part["type"] == "text")
    return PLACES.sub(" ", text).strip()


def _answer(written: str, annotations: Annotations) -> str:
    answer = answer_text(written).text
    if not answer:
        raise LeftOut("entries with an empty question or answer")
    if answer != written:
        annotations.counts["answers with reasoning or tags: only the answer is kept"] += 1
    return answer


def _messages(entry: Row) -> list[Message]:
    messages = list(entry.get("conversations") or entry.get("messages") or [])
    if not messages and isinstance(entry.get("prompt"), list):
        messages = [*entry["prompt"], *(entry.get("completion") or [])]
    messages = messages or _said_in_pairs(entry)
    found = [_message(message) for message in messages]
    # Where a reward function compares answers, they stand beside the messages.
    if found and found[-1][0] == "user" and entry.get("solution") is not None:
        found.append(("assistant", [{"type": "text", "text": str(entry["solution"])}]))
    return found


def _said_in_pairs(entry: Row) -> list[Row]:
    """The messages of an entry that has its question and answer as two texts, and those before them as `history`."""
    asked, answered = next(keys for keys in _PAIRS.values() if _is_pair(entry, *keys))
    question = entry[asked] if asked == "query" else "\n".join(filter(None, (entry[asked], entry.get("input"))))
    history = entry.get("history") or []
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in history):
        raise LeftOut("entries whose history is not made of questions and answers")
    pairs = [*history, [question, entry.get(answered)]]
    said = [message for pair in pairs for message in zip(("user", "assistant"), pair, strict=True)]
    return [{"role": role, "content": text} for role, text in said if text is not None]


def _message(message: Any) -> Message:
    if not isinstance(message, dict):
        raise LeftOut("entries with messages that are no objects")
    role = _ROLES.get(str(message.get("role") or message.get("from")).lower())
    if role is None:
        raise LeftOut("entries with messages of other roles (tools, functions)")
    content = message.get("content") if message.get("content") is not None else message.get("value")
    parts = content if isinstance(content, list) else ["" if content is None else str(content)]
    found = [{"type": "text", "text": part} if isinstance(part, str) else part for part in parts]
    if not all(isinstance(part, dict) for part in found):
        raise LeftOut("entries with messages that are no objects")
    return role, found


def _sample(question: str, answer: str, length: Callable[[], float] | None, annotations: Annotations) -> Row:
    """The task and its own fields; `length` of the one video that all is about, None for anything else."""
    if _SPANS.fullmatch(answer) and asks_for_time(question):
        if length is None:
            raise LeftOut("questions about a time that do not refer to one complete video")
        return _grounding(question, answer, length())
    listed = listed_options(question)
    if listed:
        letter, _ = read_letter(Block(answer, tagged=True), listed.options)
        if letter:
            if listed.rest:
                annotations.counts["lines below the options (how to answer): removed"] += 1
            return {
                "task": "multiple_choice",
                "question": listed.question,
                "options": listed.options,
                "target": letter,
            }
        if answer.strip("(). ").upper() in LETTERS:
            raise LeftOut("answers whose letter matches no option")
    return {"task": "instruction", "instruction": question, "response": answer}


def _grounding(question: str, answer: str, duration: float) -> Row:
    spans = written_spans(answer)
    if spans is None:
        raise LeftOut("answers with a reversed or impossible span")
    if all(start >= duration for start, _ in spans):
        raise LeftOut("answers with a span that starts after the end of the video")
    return {
        "task": "temporal_grounding",
        "query": question,
        "duration": duration,
        "target": [list(span) for span in spans],
    }


def asks_for_time(question: str) -> bool:
    """Whether a question wants a time span. A rule of ours, by words; amounts ("how many", "score") are no times."""
    return bool(_ASKS_FOR_TIME.search(question)) and not _ASKS_FOR_AMOUNT.search(question)


def written_spans(answer: str) -> tuple[Span, ...] | None:
    """The spans in seconds of an answer that is nothing else.

    >>> written_spans("2 to 5"), written_spans("From 0:02 to 1:05.5."), written_spans("2 to 5 dogs")
    (((2.0, 5.0),), ((2.0, 65.5),), None)
    """
    return read_spans(Block(answer, tagged=False))[0] if _SPANS.fullmatch(answer) else None


BENCHMARK = Benchmark(
    task="temporal_grounding, multiple_choice, instruction",
    source="your own files; the forms: LLaMA-Factory and ms-swift (their pages on custom data), Alpaca, ShareGPT, TRL",
    splits="as you made them",
    metric="that of each sample's task",
    license="that of your data",
    defects="the task of an entry is inferred from its wording: check a few samples of each",
    read=read,
    recognizes=recognizes,
    seen=False,
)
