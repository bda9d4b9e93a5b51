"""Words that stand around any mention, for the patterns of `cues`, `reservations` and `asides`. English and Chinese."""

import re


def any_of(*alternatives: str) -> str:
    return "(?:" + "|".join(alternatives) + ")"


def compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


FILLER = any_of(
    "the", "an?", "options?", "choices?", "letters?", "answers?", "labels?", "is", "was", "be", "it", "it'?s", "that",
    "that'?s", "to", "of", "about", "around", "approximately", "roughly", "most", "likely", "probably", "clearly",
    "definitely", "simply", "just", "then", "therefore", "thus", "indeed", "number", "span", "segment", "interval",
    "from", "between", "at", "in", "during", "within", "time", "range", "only", "really", "quite", "exactly",
    "actually", "also", "best", "correct", "right", "i", "are", "as", "either", "both", "class", "category", "period",
    "there", "we", "have", "get", "video", "with", "for", "this", "i\\.e", "by", "in total", "total", "being", "than",
    "which", "one", "must", "should", "would", "has", "will", "true", "final", "perhaps", "maybe", "say", "said",
    "two", "three", "four", "five", "us", "fact", "reality",
    "选项?", "项", "为", "是", "应该?", "大?约", "从", "第", "在", "了", "共", "有",
)  # fmt: skip
FILL = rf"(?:{FILLER}(?![a-z])|[\s\W]){{0,18}}$"
"""Words that say nothing, up to the mention."""

VERB = any_of(
    "is", "was", "are", "were", "seems?", "looks?(?: like)?", "appears?", "can", "could", "do", "does", "did", "would",
    "should", "must", "has", "have", "had", "gets?", "being", "turns? out", "remains?", "to",
)  # fmt: skip
ADVERB = any_of(
    "the", "most", "also", "clearly", "definitely", "likely", "indeed", "therefore", "probably", "certainly", "only",
    "an?", "be", "been", "both", "all", "actually", "obviously", "thus", "completely", "entirely", "simply", "best",
    "more", "very", "my", "our", "final", "chosen", "fully", "perfectly", "truly", "absolutely", "then", "easily",
    "safely", "immediately", "just", "even", "each",
    "to",
)  # fmt: skip
NEAR = r"^[\s\"')\]}:.*\u27e7-]{0,5}"
NOUN = r"(?:(?:options?|choices?|answers?|quality)\s+)?"
TICKED = r"^[^.!?\n✗✘❌×✓✔✅]{{0,80}}[{marks}]\ufe0f?[\s\W]{{0,4}}$"
"""A mark at the end of the line."""
