"""The words around a mention that say whether it is an answer, as patterns over bounded windows of text.

English and Chinese. Grown from what models write (tests/answers/corpus); our choice.
"""

import re

from reeltune.answers.plain import BOXED


def _any(*alternatives: str) -> str:
    return "(?:" + "|".join(alternatives) + ")"


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_FILLER = _any(
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
_FILL = rf"(?:{_FILLER}(?![a-z])|[\s\W]){{0,18}}$"

_ANSWER = _any(
    "answers?", "ans", "solution", "conclusion", "verdict", "prediction", "estimate", "selection", "label", "result",
    "response", "decision", "pick", "vote", "(?:choice|guess)(?=\\s?(?::|is|would))",
    "(?:query|question)(?=[^.!?\\n]{0,60}:\\s*$)", "(?:final|right|correct|true)(?=\\s?:)",
    "(?:correct|right|best|final|true|chosen|proper|appropriate|suitable|my|predicted|likely) "
    "(?:answer|option|choice|one|label|category|letter|value|number|count|span|segment|interval|class|guess|time)",
    "best (?:fits?|match(?:es)?|describes?|answers?)(?: [a-z]+){0,4}?(?= is)|(?:fits?|matches|describes) best(?= is)",
    "答案", "答(?=:)", "最?(?:符合|合适|合理|准确|恰当)的", "正确选项",
    "正确的?(?:选项|答案|是)", "结论", "结果", "选项(?:是|为)",
)  # fmt: skip
_COPULA = _any("is", "was", "are", "be", "as", "would be", "should be", "must be", "[:=]", "-+", "为", "是")
_CHOICE = _any(
    "choos(?:e|ing)", "chose", "pick(?:ed|ing)?", "select(?:ed|ing)?", "go(?:ing)? with", "went with",
    "opt(?:ed)? for", "settled? on", "stick(?:ing)? with", "conclude", "believe", "think", "guess", "say", "predict",
    "favou?r", "prefer(?:red)?", "lean(?:ing)? (?:towards?|to)",
    "(?:end(?:ed)?|ending) up with", "arrived? at", "narrow(?:ed|s)? (?:it )?down to", "meant", "mean", "accept",
    "keep", "go(?:ing)? for",
    "(?:chang|switch|revis|correct|updat)(?:e|es|ed|ing) (?:it |that |my (?:answer|choice) )?to",
    "选择?", "认为", "判断",
)  # fmt: skip
_CONCLUSION = _any(
    "so", "thus", "therefore", "hence", "makes? it", "which means", "suggests", "indicates", "leaving",
    "leaves?(?: us)?(?: only)?", "left with", "it'?s", "it is", "that is", "this is", "must be", "should be",
    "has to be", "would be", "points? to", "supports?", "match(?:es)?", "corresponds? to",
    "in conclusion", "overall", "finally", "instead",
    "which (?:is|would be|must be)", "namely", "can only be", "given (?:in|by)",
    "所以", "因此", "故", "那么", "而是", "应该?是?", "只?剩下?",
)  # fmt: skip

STATES = _compiled(
    rf"{BOXED}[^\w]{{0,4}}$"
    rf"|\b{_ANSWER}(?![a-z])[^.!?]{{0,60}}?{_COPULA}(?![a-z]){_FILL}"
    rf"|(?<![a-z])(?:overall|in the end|ultimately|in summary)(?![a-z])[^.!?;]{{0,40}}?{_COPULA}(?![a-z]){_FILL}"
    rf"|(?<![a-z]){_any(_ANSWER, _CHOICE, _CONCLUSION)}(?![a-z]){_FILL}"
)
"""At the end of what comes before a mention: it is stated as the answer."""
EXPLICIT = _compiled(rf"{BOXED}[^\w]{{0,4}}$|(?<![a-z]){_ANSWER}(?![a-z])[^.!?;,]{{0,60}}$")
"""... in so many words: no weaker statement replaces it, unless as a correction or a conclusion."""
CONCLUDES = _compiled(
    rf"(?<![a-z])(?:so|thus|therefore|hence|instead|in conclusion|finally|ultimately|in the end|which (?:is"
    rf"|makes|gives|leaves)|giving|leaving|i|we)(?![a-z]){_FILL}"
    rf"|(?<![a-z])(?:i|we|i'd|i'll|i'm) (?:[a-z']+ ){{0,3}}{_CHOICE}(?![a-z]){_FILL}|(?:所以|因此|故|应该?){_FILL}"
)

_DENIAL = _any(
    "not", "n't", "never", "neither", "nor", "cannot", "except(?:ing)?(?: for)?", "rather than", "instead of", "unlike",
    "rul(?:e|es|ed|ing) out", "rules", "(?:better|worse|more|less|higher|lower) than", "above", "below",
    "eliminat(?:e|es|ed|ing)", "exclud(?:e|es|ed|ing)", "discard(?:s|ed|ing)?",
    "reject(?:s|ed|ing)?", "dismiss(?:es|ed|ing)?", "other than", "anything but", "everything but", "without", "over",
    "no(?= such| sign| evidence| event| $)", "(?:wrong|incorrect|false|excluded|eliminated)(?=\\s?:)",
    "不(?:是|选|会|能|应该?|在)?", "并?非", "排除", "而非", "除了", "没有?",
)  # fmt: skip
_DENIED_FILLER = _any(
    _FILLER, "happen(?:s|ed|ing)?", "occur(?:s|red|ring)?", "takes?", "place", "appear(?:s|ed|ing)?", "exists?",
    "shown?", "seen", "visible", "present", "such", "event", "action", "moment", "any",
    "choos(?:e|ing)", "pick(?:ing)?", "select(?:ing)?",
    "go(?:ing)?", "looks?", "looking", "seems?", "signs?", "hints?", "trace", "evidence", "say", "think", "believe",
    "call", "发生", "出现", "选",
)  # fmt: skip
DENIES = _compiled(
    rf"(?:(?<![a-z]){_DENIAL}|n't)(?![a-z])(?:{_DENIED_FILLER}(?![a-z])|[^\w,;]){{0,18}}$"
    r"|(?:(?<![a-z])(?:not|never)|n't)(?: [a-z]+){1,4} (?:from|between|during|within)\s+(?:the\s+)?$"
)
"""At the end of what comes before a mention: it is said not to be the answer."""

CONTRASTS = _compiled(
    rf"^[\s\W]*(?:but|rather|instead|it'?s|it is|but rather|而是|应该?是|是|he is|she is|they are)?{_FILL}"
)
"""All that stands between a mention denied and the next one: the next one is meant instead."""

_SUPPOSITION = _any(
    r"if(?! (?:we|you|i|one) (?:look|watch|consider|count|examine|compare|focus|(?:had|have|must|were)(?![a-z]))"
    r"| forced| pressed)", "suppos(?:e|ing)",
    "assum(?:e|ing)", "whether", "unless",
    r"(?<!i )(?:might|may|could|would) (?:think|say|expect|assume|guess|believe|seem|suggest|need)",
    "at first", "initially", "initial", "originally", "previous(?:ly)?", "earlier", "annotations?",
    "first (?:guess|thought|impression|glance)", "(?:second|third|next|other) guess",
    r"(?:second|third|next|other|another|alternative|wrong|incorrect|popular|common|typical|old|tempting|runner-up|looser|tighter|weaker|rougher|broader)"
    r"(?:[ -](?:best|likely|wrong|incorrect|plausible|possible))? "
    r"(?:answers?|options?|choices?|guess(?:es)?|candidates?|mistakes?|contenders?|picks?|labels?|alternatives?|estimates?|readings?)",
    r"(?:others?|some(?: (?:people|viewers|models|annotators))?|many(?: people)?|people|viewers|one|someone"
    r"|annotators?) "
    r"(?:(?:may|might|would|could|can|will) )?(?:also |still )?"
   
    r"(?:prefers?|choose|chooses|says?|thinks?|picks?|answers?|argues?|opts?|goes?|go|claims?|believes?|suggests?|selects?)",
    "(?<!second )thought(?! (?:about|through|process|carefully))", "guessed", "assumed", "tempt(?:ing|ed)",
   
    r"(?:someone|somebody|anyone|people|viewers|those)[^.!?]{0,60}? (?:would|might|may|could) (?:answer|say"
    r"|pick|choose|think|guess|argue)",
    "were it", "had it", r"\(was",
    "(?:two|three|several|possible|potential|some) (?:candidates?|possibilit(?:y|ies)|answers?|options?|labels?"
    "|intervals?|spans?)",
    "如果", "假如", "起初", "一开始", "乍一看", "原?以为",
)  # fmt: skip
SUPPOSES = _compiled(rf"(?<![a-z]){_SUPPOSITION}(?![a-z])")
SUPPOSED_AFTER = _compiled(
    r"^[\"')\]]{0,2} (?:at first(?: glance| sight)?|initially|originally|was (?:also )?my (?:first|initial"
    r"|original|earlier)|"
    r"(?:may|might|could|would) (?:seem|look|appear|sound|also|have been)|(?:seems?|looks?"
    r"|appears?) (?:plausible|tempting|possible))(?![a-z])"
)
"""At the start of what comes after a mention: it was thought of."""
CLOUDS = _compiled(
    r"(?<![a-z])(?:not|never|almost|nearly|without|neither|nor|wrong(?:ly)?|incorrect(?:ly)?|false(?:ly)?|reject(?:s|ed)?|mistakes?|"
    r"confus(?:e|es|ed|ing)|distractors?|trap|considered|contradict(?:s|ed)?|alternatives?|candidates?|briefly|unverified|rather|other|different|obvious|nothing|hard|any|"
    r"some|someone|may|might|could)(?![a-z])|n't|(?:不|没有|并非)"
)
"""Beside a mention that nothing states: whether it is meant is not said."""
PREFERRED = _compiled(
    r"^[\"')\]]?[\s,;(-]{1,3}(?:and |but )?(?:not|never|rather than|instead of) (?:(?:the|an?|at|in|on|from|to|by) )*$"
)
"""All that stands between a mention and the next one: the first one is meant."""
BREAKS = _compiled(
    r"(?<![a-z])(?:but|however|yet|so|therefore|thus|hence|instead|although|though)(?![a-z])|但|所以|因此"
)
"""Where a supposition ends."""

HEDGES = _compiled(
    r"(?<![a-z])(?:perhaps|maybe|possibly|might|may|could)(?![a-z])[^.!?]{0,20}$|(?:可能|也许)(?:是|为)?\W{0,3}$"
)

_VERB = _any(
    "is", "was", "are", "were", "seems?", "looks?(?: like)?", "appears?", "can", "could", "do", "does", "did", "would",
    "should", "must", "has", "have", "had", "gets?", "being", "turns? out", "remains?", "to",
)  # fmt: skip
_ADVERB = _any(
    "the", "most", "also", "clearly", "definitely", "likely", "indeed", "therefore", "probably", "certainly", "only",
    "an?", "be", "been", "both", "all", "actually", "obviously", "thus", "completely", "entirely", "simply", "best",
    "more", "very", "my", "our", "final", "chosen", "fully", "perfectly", "truly", "absolutely", "then", "easily",
    "safely", "immediately", "just", "even", "each",
    "to",
)  # fmt: skip
_WRONG = _any(
    r"not(?=\s+\w)", r"never(?=\s+\w)", "wrong", "incorrect", "false", "inaccurate", "invalid",
    "unlikely", "impossible", "implausible", "out(?! of)", "ruled out", "eliminated", "excluded", "discarded",
    "dismissed",
    "rejected", "unsupported",
    "irrelevant", "less (?:likely|convincing|plausible|probable|accurate)", "contradicted", "partly", "partially",
    "distractor", "off", "mistaken", "worse", "no", "untrue",
)  # fmt: skip
_RIGHT = _any(
    "correct", "right", "best", "true", "accurate", "answer", "better", "valid", "supported", "consistent", "yes",
    "plausible", "appropriate", "one", "fit", "fits", "match", "matches", "suitable", "proper", "winner", "choice",
    "pick", "closest", "chosen(?= *$)", "selected(?= *$)",
)  # fmt: skip
_NEAR = r"^[\s\"')\]}:.*\u27e7-]{0,5}"
_TICKED = r"^[^.!?\n✗✘❌×✓✔✅]{{0,80}}[{marks}]\ufe0f?[\s\W]{{0,4}}$"
"""A mark at the end of the line."""
_NOUN = r"(?:(?:options?|choices?|answers?|quality)\s+)?"
BAD = _compiled(
    r"^\s?\((?:no|wrong|incorrect|false)\)|"
    rf"{_NEAR}{_NOUN}(?:(?:{_ADVERB}\s+){{0,3}}{_VERB}\s+)?(?:{_ADVERB}\s+){{0,4}}{_WRONG}(?![a-z])"
    rf"|{_NEAR}{_NOUN}(?:(?:is|was|are|were|does|do|did|can|could|would|should|has|have)n't|cannot|can ?not)\s+\w"
    rf"|{_NEAR}{_NOUN}(?:contradicts?|fails?|misses|conflicts?|(?:came|comes) (?:second|close|next|last))(?![a-z])"
    rf"|{_NEAR}(?:{_VERB}\s+)?(?:an? |the )?(?:close |distant )(?:second|runner-up)(?![a-z])"
    rf"|{_NEAR}{_VERB}\s+(?:the )?(?:second|runner-up)(?![a-z])"
    rf"|^\W{{0,3}}(?:选项|项|都|均|是)*(?:错误?|不对|不正确|不符|有误|被?排除|不成立|不是(?=\w))|^(?:之?[间内])?(?:并?没有?|不会|未)"
    rf"|^[\s(,-]{{0,3}}less (?:likely|plausible|convincing)|^\W{{0,3}}[✗✘❌×]|{_TICKED.format(marks='✗✘❌')}"
)
"""At the start of what comes after a mention: it is wrong."""
BAD_AT_THE_END = _compiled(rf"{_NEAR}{_VERB}(?:\s+not|n't)\W*$")
"""... the same, where the sentence ends with it."""
GOOD = _compiled(
    r"^\s?\((?:yes|correct|right|true)\)|"
    rf"{_NEAR}{_NOUN}(?:(?:{_ADVERB}\s+){{0,3}}{_VERB}\s+)?(?:{_ADVERB}\s+){{0,4}}{_RIGHT}"
    r"(?![a-z]|\s+(?:side|hand|now|after|before)|\s+(?:only\s)?if(?![a-z]))"
    rf"|^ (?:it )?(?:is|does)\W*$|^ is what |^\s+best\s|{_NEAR}(?:most (?:closely|accurately)|clearly|accurately) \w"
    rf"|{_NEAR}{_NOUN}(?:wins|fits|matches|comes closest)(?![a-z])"
    rf"|^\W{{0,3}}(?:选项|项|才|都|是|最|更)*(?:正确|对的?|符合|成立|合适|合理|准确)"
    rf"|^[\s(,-]{{0,3}}most (?:likely|plausible|convincing)(?! to)|^\W{{0,3}}[✓✔✅]|{_TICKED.format(marks='✓✔✅')}"
)
"""... it is right."""

PREDICATE = _compiled(
    rf"^[\"')\]*]{{0,3}}(?:\s+(?:{_VERB}|says?|shows?|mentions?|describes?|suggests?|fits|matches|wins|works|holds"
    r"|it is)(?![a-z])|n't|\s*[:])"
)
"""After a mention that begins a clause of its own."""

JOINS = _compiled(
    r"^(?:[\s,/&;+()\[\]\"'*{}\u27e6\u27e7-]|and|or|nor|either|both|also|then|options?|the|from|between|at|again|"
    r"maybe|perhaps|possibly|could be|和|或者?|及|与|以及|从|在|到了?|选项)*$"
)
"""All that stands between two mentions of one statement."""
ALTERNATIVES = _compiled(r"(?<![a-z])or(?![a-z])|/|或|maybe|perhaps|possibly|could be")

CORRECTS = _compiled(
    r"(?:^|(?<=[.!?,;:…\n-])|(?<=[.!?,;:…\n-]\s)|(?<=\s-\s))"
    r"(?:no(?:pe)?\s?[,.!:;-]|no\s(?=it|the|that|this)|(?:hmm,? )?wait\b|hmm\b|actually\b|sorry\b|oops\b|"
    r"correction\b|scratch that|on second (?:thought|look)|let me (?:re|correct|double)|i meant?\b|looking again|"
    r"on reflection|不对|等等|更正|纠正)"
)
"""Where an answer is begun anew."""
CORRECTED = _compiled(
    r"(?:(?<![a-z])(?:no(?:pe)?[,.!:;-]|wait|hmm|actually|sorry|oops|correction|scratch that|i meant?|rather"
    r"|on second (?:thought|look)|on reflection|in fact|in reality|m(?:ost|ore) (?:likely|probably|precisely"
    r"|exactly)|specifically)(?![a-z])"
    rf"|不对|等等|更正){_FILL}"
)
DOUBTS = _compiled(
    r"(?<![a-z])(?:not (?:sure|certain|clear)|unsure|uncertain|unclear|don't know"
    r"|(?:can't|cannot) (?:tell|say|determine|be sure))"
)
"""Where they are expressed, only what is stated is an answer."""
REVERSES = _compiled(r"(?<![a-z])(?:but|however|yet|instead|on the other hand)(?![a-z])|但是?|然而")
"""Before a mention that no words place: it may be meant instead of what was stated."""
TAKEN_BACK = _compiled(
    r"\b(?:that|this|it|which)(?:'s| is| was) (?:(?:clearly|just|also|actually) )?"
    r"(?:wrong|incorrect|false|mistaken|not (?:right|correct|true))\b|"
    r"\bi (?:was|am) (?:wrong|mistaken)\b|(?<=[.!?,] )(?:(?:wait|hmm|actually),? )?no\W{0,3}$|"
    r"(?:这|那)(?:是错|不对|不正确)|\bmy mistake\b"
)

SENTENCE_END = re.compile(r"(?<!i\.e)(?<!e\.g)(?<!vs)(?<!approx)(?<!ca)(?<!no)\.(?=[\s\"')\]*]|$)|[!?;\n]")
