"""The words around a mention that say that it is the answer, as patterns over bounded windows of text.

English and Chinese. Grown from what models write (tests/answers/corpus); our choice.
"""

import re

from reeltune.answers.plain import BOXED
from reeltune.answers.words import ADVERB, FILL, NEAR, NOUN, TICKED, VERB, any_of, compiled

_ANSWER = any_of(
    "answers?", "ans", "solution", "conclusion", "verdict", "prediction", "estimate", "selection", "label", "result",
    "response", "decision", "pick", "vote", "(?:choice|guess)(?=\\s?(?::|is|would))",
    "(?:query|question)(?=[^.!?\\n]{0,60}:\\s*$)", "(?:final|right|correct|true)(?=\\s?:)",
    "(?:correct|right|best|final|true|chosen|selected|picked|relevant|requested|matching|corresponding|queried"
    "|described|proper|appropriate|suitable|my|predicted|likely) "
    "(?:answer|option|choice|one|label|category|letter|value|number|count|span|segment|interval|class|guess|time"
    "|moment|period|event|action|activity)",
    "(?:most|best)[ -][a-z]+(?: [a-z]+){0,2}(?= is| ?:)", "if (?:forced|pressed|pushed)(?: to [a-z]+)?,?",
    "if i (?:had|have|must|were)(?: to)? (?:choose|guess|pick|say|decide|answer),?",
    "best (?:fits?|match(?:es)?|describes?|answers?)(?: [a-z]+){0,4}?(?= is)|(?:fits?|matches|describes) best(?= is)",
    "(?:assistant|output|reply|model)(?=\\s?:)", "答案", "答(?=:)", "最?(?:符合|合适|合理|准确|恰当)的", "正确选项",
    "正确的?(?:选项|答案|是)", "结论", "结果", "选项(?:是|为)",
)  # fmt: skip
_COPULA = any_of("is", "was", "are", "be", "as", "would be", "should be", "must be", "[:=]", "-+", "为", "是")
_CHOICE = any_of(
    "choos(?:e|ing)", "chose(?:n(?! by))?", "pick(?:ed|ing)?", "select(?:ed|ing)?", "go(?:ing)? with", "went with",
    "opt(?:ed)? for", "settled? on", "stick(?:ing)? with", "conclude", "believe", "think", "guess", "say", "predict",
    "favou?r", "prefer(?:red)?", "lean(?:ing)?(?: towards?| to)?",
    "i(?:'ve| have)? already said", "(?:end(?:ed)?|ending) up with", "arrived? at",
    "narrow(?:ed|s)? (?:it )?down to", "meant", "mean", "accept",
    "keep", "go(?:ing)? for",
    "(?:chang|switch|revis|correct|updat)(?:e|es|ed|ing) (?:it |that |my (?:answer|choice) )?to",
    "选择?", "认为", "判断", "我?猜", "估计",
)  # fmt: skip
_CONCLUSION = any_of(
    "so", "thus", "therefore", "hence", "makes? it", "which means", "suggests", "indicates", "leaving",
    "(?:which|that|this|it) (?:only )?leaves(?: us)?(?: only)?", "leaves?(?: us)? only", "i\\.e", "left with",
    "it'?s", "it is", "that is", "this is", "must be", "should be",
    "has to be", "would be", "points? to", "supports?", "match(?:es)?", "corresponds? to",
    "remain(?:s|ing)(?: is| are)?", "(?:clear|strong|strongest|enough|sufficient) evidence (?:of|for)",
    "but (?:roughly|about|around|approximately|probably|likely)", "gives", "yields", "in conclusion", "overall",
    "finally", "instead",
    "which (?:is|would be|must be)", "namely", "can only be", "given (?:in|by)",
    "所以", "因此", "故", "那么", "而是", "应该?是?", "只?剩下?",
    "(?:可能|也许|大概|实际上?|其实|应当|最终|确实|就|才)是",
)  # fmt: skip

STATES = compiled(
    rf"{BOXED}[^\w]{{0,4}}$"
    rf"|\b{_ANSWER}(?![a-z])[^.!?]{{0,60}}?{_COPULA}(?![a-z]){FILL}"
    rf"|(?<![a-z])(?:overall|in the end|ultimately|in summary)(?![a-z])[^.!?;]{{0,40}}?{_COPULA}(?![a-z]){FILL}"
    rf"|(?<![a-z]){any_of(_ANSWER, _CHOICE, _CONCLUSION)}(?![a-z]){FILL}"
)
"""At the end of what comes before a mention: it is stated as the answer."""
EXPLICIT = compiled(rf"{BOXED}[^\w]{{0,4}}$|(?<![a-z]){_ANSWER}(?![a-z])[^.!?;,]{{0,60}}$")
"""... in so many words: no weaker statement replaces it, unless as a correction or a conclusion."""
CONCLUDES = compiled(
    rf"(?<![a-z])(?:so|thus|therefore|hence|instead|(?<!in )totals?|sum|in conclusion|finally|ultimately"
    rf"|in the end|which (?:is"
    rf"|makes|gives|leaves)|giving|leaving|i|we)(?![a-z]){FILL}"
    rf"|(?<![a-z])(?:i|we|i'd|i'll|i'm) (?:[a-z']+ ){{0,3}}{_CHOICE}(?![a-z]){FILL}|(?:所以|因此|故|应该?){FILL}"
)
CONTRASTS = compiled(
    rf"^[\s\W]*(?:but|rather|instead|it'?s|it is|but rather|而是|应该?是|是|he is|she is|they are)?{FILL}"
)
"""All that stands between a mention denied and the next one: the next one is meant instead."""
PREFERRED = compiled(
    r"^[\"')\]]?[\s,;(-]{1,3}(?:and |but )?(?:not|never|rather than|instead of|over|ahead of) (?:(?:the|an?"
    r"|earlier|previous|old|other|initial|first|at|in|on|from|to|by) )*$"
)
"""All that stands between a mention and the next one: the first one is meant."""
LESSER = compiled(r"(?<![a-z])(?:worse|less [a-z]+) than\s(?:the |option )*\W?$")
"""'E is less likely than': what comes now is preferred."""
LIKELIER, THAN = compiled(r"(?<![a-z])(?:more|closer to|nearer to|rather)\s$"), compiled(r"^ than ")
"""'more B than D'"""
BETWEEN = compiled(r"(?<![a-z])(?:between|among|out of)\s(?:options?\s)?$")
"""'Between B and D, D'"""
TICK = compiled(r"^\W*[✓✔✅]\ufe0f?[\s\"'(*]{0,4}$")
YES = compiled(r"\?[\s\"')]{0,4}(?:yes|yep|correct|right|exactly|true|indeed|对|是的)(?![a-z])")
"""What replies to a question."""
FRAGMENT = compiled(
    r"(?:[^\w%]|(?<![a-z])(?:definitely|certainly|surely|clearly|obviously|probably|likely|maybe|perhaps|possibly"
    r"|only|just|simply|i|guess|think"
    r"|believe|suppose|say|would|d|without|any|an?|doubt|for|sure|must|could|might|may|be|it|is|has|to|so|then|ok"
    r"|okay|well|hmm|yes|yep"
    r"|if|anything|in|my|our|opinion|view|apparently|presumably|evidently|seems|looks|like|exactly|precisely|the"
    r"|answer|option|choice|here"
    r"|letter|label|s|and|most|quite|pretty|fairly|rather|still|also|really|truly|again|assistant|conclusion"
    r"|hence|thus|therefore|by|process|of|elimination|on|closer|inspection|second (?:look|thought)|reflection"
    r"|exclusion|balance|all|overall|finally|end)(?![a-z]))*$"
)
"""All the words beside a mention in its sentence: it is said and no more."""
EXCEPTED = compiled(
    r"(?<![a-z])(?:cannot|can't|couldn't|can not) be any[a-z]* (?:but|except|other than)\s(?:option )?\W?$"
    r"|(?<![a-z])(?:none|nothing|no(?: other)?(?: one| options?| choices?| answers?)?) (?:[a-z]+ ){0,2}?(?:but"
    r"|except(?: for)?|other than|besides|apart from)\s(?:option )?\W?$"
)
"""'none but C'"""
_RIGHT = any_of(
    "correct", "right", "best", "true", "accurate", "answer", "better", "valid", "supported", "consistent", "yes",
    "plausible", "appropriate", "(?<=the )one", "fit", "fits", "match", "matches", "suitable", "proper", "winner",
    "choice",
    "pick", "closest", "chosen(?= *$)", "selected(?= *$)",
)  # fmt: skip
GOOD = compiled(
    r"^\s?\((?:yes|correct|right|true)\)|"
    rf"{NEAR}{NOUN}(?:(?:{ADVERB}\s+){{0,3}}{VERB}\s+)?(?:{ADVERB}\s+){{0,4}}{_RIGHT}"
    r"(?![a-z]|\s+(?:side|hand|now|after|before)|\s+(?:only\s)?if(?![a-z]))"
    rf"|^ (?:it )?(?:is|does)\W*$|^ is what (?:(?:we|you|one|i|the (?:video|clip|question)|is) "
    rf"|happens(?! (?:at the|first|next|before|after|later)))|^\s+best\s"
    rf"|{NEAR}(?:most (?:closely|accurately)|clearly|accurately) \w"
    rf"|{NEAR}{NOUN}(?:wins|fits|matches|comes closest|gets my vote|has the (?:strongest|most|best)|as (?:the"
    rf"|my) (?:final |correct |best |relevant |right )?(?:answer|option|choice|segment|span|interval|one)"
    rf"|makes (?:the )?(?:most )?sense)(?![a-z])"
    rf"|^\W{{0,3}}(?:选项|项|才|都|是|最|更)*(?:正确|对的?|符合|成立|合适|合理|准确)"
    rf"|^[\s(,-]{{0,3}}(?:(?:seems|looks|appears|is|sounds) )?(?:most|more|far more|much more) (?:likely"
    rf"|plausible|convincing)(?! to)|^\W{{0,3}}[✓✔✅]|{TICKED.format(marks='✓✔✅')}"
)
"""... it is right."""
PREDICATE = compiled(
    rf"^[\"')\]*]{{0,3}}(?:\s+(?:{VERB}|says?|shows?|mentions?|describes?|suggests?|fits|matches|wins|works|holds"
    r"|it is)(?![a-z])|n't|\s*[:]|(?:更|最|才|不是|是|正确|符合|对的|错误?|比))"
)
"""After a mention that begins a clause of its own."""
JOINS = compiled(
    r"^(?:[\s,/&;+()\[\]\"'*{}\u27e6\u27e7-]|and|or|nor|either|both|also|then|options?|the|from|between|at|again|"
    r"maybe|perhaps|possibly|could be|only|和|或者?|(?:也许|可能)是?|及|与|以及|从|在|到了?|选项)*$"
)
"""All that stands between two mentions of one statement."""
ALTERNATIVES = compiled(r"(?<![a-z])or(?![a-z])|/|或|也许|可能|maybe|perhaps|possibly|could be")
TELLS = compiled(
    r"(?<![\w'])(?:(?!confidence|probability|certainty"
    r"|score)[\w'-]+\s){2,8}(?<!of )(?!confidence)[\w'-]+\s?:[\s\"'*]{0,4}$"
)
"""A clause and a colon before the last word of a text: it is what the clause comes to."""
CORRECTS = compiled(
    r"(?:^|(?<=[.!?,;:…\n-])|(?<=[.!?,;:…\n-]\s)|(?<=\s-\s))"
    r"(?:no(?:pe)?\s?[,.!:;-]|no\s(?=it|the|that|this)|(?:hmm,? )?wait\b|hmm\b|actually\b|sorry\b|oops\b|"
    r"correction\b|scratch that|on second (?:thought|look)|let me (?:re|correct|double)|i meant?\b|looking again|"
    r"on reflection|不对|等等|更正|纠正)"
)
"""Where an answer is begun anew."""
CORRECTED = compiled(
    r"(?:(?<![a-z])(?:no(?:pe)?[,.!:;-]|wait|hmm|actually|sorry|oops|correction|scratch that|i meant?|rather"
    r"|on second (?:thought|look)|on reflection|i\.e|in other words|in fact|in reality|m(?:ost|ore) (?:likely"
    r"|probably|precisely"
    r"|exactly)|specifically)(?![a-z])"
    rf"|不对|等等|更正){FILL}"
)
SENTENCE_END = re.compile(r"(?<!i\.e)(?<!e\.g)(?<!vs)(?<!approx)(?<!ca)(?<!no)\.(?=[\s\"')\]*]|$)|[!?;\n]")
