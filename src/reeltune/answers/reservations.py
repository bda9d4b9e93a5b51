"""The words around a mention that speak against it or leave it open: denied, supposed, clouded, taken back.

English and Chinese. Grown from what models write (tests/answers/corpus); our choice.
"""

from reeltune.answers.words import ADVERB, FILLER, NEAR, NOUN, TICKED, VERB, any_of, compiled

_DENIAL = any_of(
    "not", "n't", "never", "neither", "nor", "cannot", "except(?:ing)?(?: for)?", "rather than", "instead of", "unlike",
    "rul(?:e|es|ed|ing) out", "rules", "(?:more|less|rather|[a-z]{2,}er)(?: [a-z]+)? than", "skip(?:ping)?",
    "ignor(?:e|es|ing)", "omit", "disregard", "no one", "nobody", "above", "below",
    "eliminat(?:e|es|ed|ing)", "exclud(?:e|es|ed|ing)", "discard(?:s|ed|ing)?",
    "reject(?:s|ed|ing)?", "dismiss(?:es|ed|ing)?", "other than", "anything but", "everything but", "without", "over",
    "no(?= such| sign| evidence| event| $)", "(?:wrong|incorrect|false|excluded|eliminated)(?=\\s?:)",
    "不(?:是|选|会|能|应该?|在)?", "并?非", "排除", "而非", "除了", "没有?",
)  # fmt: skip
_DENIED_FILLER = any_of(
    FILLER, "happen(?:s|ed|ing)?", "occur(?:s|red|ring)?", "takes?", "place", "appear(?:s|ed|ing)?", "exists?",
    "shown?", "seen", "visible", "present", "such", "event", "action", "moment", "any",
    "choos(?:e|ing)", "pick(?:ing)?", "select(?:ing)?",
    "go(?:ing)?", "looks?", "looking", "seems?", "signs?", "hints?", "trace", "evidence", "say", "think", "believe",
    "call", "发生", "出现", "选",
)  # fmt: skip
DENIES = compiled(
    rf"(?:(?<![a-z]){_DENIAL}|n't)(?![a-z])(?:{_DENIED_FILLER}(?![a-z])|[^\w,;]){{0,18}}$"
    r"|(?:(?<![a-z])(?:not|never)|n't)(?: [a-z]+){1,4} (?:from|between|during|within)\s+(?:the\s+)?$"
)
"""At the end of what comes before a mention: it is said not to be the answer."""
_SUPPOSITION = any_of(
    r"if(?! anything| at all)(?! (?:we|you|i|one) (?:look|watch|consider|count|examine|compare|focus|(?:had|have|must"
    r"|were)(?![a-z]))"
    r"| forced| pressed)", "suppos(?:e|ing)",
    "assum(?:e|ing)", "whether", "unless",
    r"(?<!i )(?:might|may|could|would) (?:think|say|expect|assume|guess|believe|seem|suggest|need)",
    "otherwise", "(?:was|were) (?:going|about|tempted|inclined) to", "the others (?:is|are|were)",
    "first (?:counted|thought|saw|said|guessed|assumed|chose|picked)", "at first", "initially", "initial",
    "originally", "previous(?:ly)?", "earlier", "annotations?",
    "first (?:guess|thought|impression|glance)", "(?:second|third|next|other) guess",
    r"(?:second|third|next|other|another|alternative|wrong|incorrect|popular|common|typical|old|tempting"
    r"|runner-up|looser|tighter|weaker|rougher|broader)"
    r"(?:[ -](?:best|likely|wrong|incorrect|plausible|possible))? "
    r"(?:answers?|options?|choices?|guess(?:es)?|candidates?|mistakes?|contenders?|picks?|labels?|alternatives?"
    r"|estimates?|readings?)",
    r"(?:others?|some(?: (?:people|viewers|models|annotators))?|many(?: people)?|people|viewers|one|someone"
    r"|annotators?) "
    r"(?:(?:may|might|would|could|can|will) )?(?:also |still )?"
   
    r"(?:prefers?|choose|chooses|says?|thinks?|picks?|answers?|argues?|opts?|goes?|go|claims?|believes?|suggests?"
    r"|selects?)",
    "(?<!second )thought(?! (?:about|through|process|carefully))", "guessed", "assumed", "tempt(?:ing|ed)",
   
    r"(?:someone|somebody|anyone|people|viewers|those)[^.!?]{0,60}? (?:would|might|may|could) (?:answer|say"
    r"|pick|choose|think|guess|argue)",
    "least (?:likely|plausible|probable|convincing|suitable|accurate)", "were it", "had it", r"\(was", "confidence",
    "(?:un)?certainty", "probability", "margin", "tolerance", "error",
    r"(?:want|make|let|lead|caus|convinc|trick|fool)[a-z]* [a-z]+ (?:to |into )?(?:think|believe|say)[a-z]*",
    r"(?<!i )(?<!we )(?<!would )(?:claim(?:s|ed)|says|(?<!already )said|argues|argued|insists?|insisted|wrote"
    r"|writes|reads|(?<!i )believes|reported|voted"
    r"|shouts?|shouted|yells?|whispers|(?<!question )(?<!query )asks|asked|pretend[a-z]*"
    r"|according to [a-z' ]{1,30})(?! *,)",
    "(?:you|he|she|they|model|student|user|reader|viewer|system|assistant|expert) (?:should|must|can|could|will"
    "|may|might|would) (?:also |then )?(?:answer|say|choose|pick|select|respond|reply)(?: with)?",
    "(?:two|three|several|possible|potential|some) (?:candidates?|possibilit(?:y|ies)|answers?|options?|labels?"
    "|intervals?|spans?)",
    "如果", "假如", "起初", "一开始", "乍一看", "原?以为", "有(?:些)?人", "别人", "很多人",
)  # fmt: skip
SUPPOSES = compiled(rf"(?<![a-z]){_SUPPOSITION}(?![a-z])")
SUPPOSED_AFTER = compiled(
    r"^[\"')\]]{0,2} (?:at first(?: glance| sight)?|initially|originally|was (?:also )?my (?:first|initial"
    r"|previous|old|last"
    r"|original|earlier)|is where it was|"
    r"(?:may|might|could|would) (?:seem|look|appear|sound|also|have been)|would (?!be(?![a-z])|fit|match|make"
    r"|work|win|answer|suit|have to)[a-z]+|(?:only )?(?:if|unless|were it|had it|provided|but for)(?! (?:i|you|we"
    r"|one) )|(?:says|states|mentions|claims|implies|refers to|reads|is about)|(?:seems?|looks?"
    r"|appears?) (?:plausible|tempting|possible))(?![a-z])"
)
"""At the start of what comes after a mention: it was thought of."""
CLOUDS = compiled(
    r"(?<![a-z])(?:not|never|almost|nearly|without|neither|nor|wrong(?:ly)?|incorrect(?:ly)?|false(?:ly)?"
    r"|reject(?:s|ed)?|mistakes?|"
    r"confus(?:e|es|ed|ing)|distractors?|trap|considered|contradict(?:s|ed)?|alternatives?|candidates?|briefly"
    r"|unverified|rather|other|different|obvious|nothing|hard|any|"
    r"some|someone|may|might|could|pretend[a-z]*|(?:want|plan|hope|tr[yi]|intend|attempt|refuse|fail|wish|expect"
    r"|threaten|promis)(?:e?s|e?d|es|ing|y)? to"
    r"|at (?:least|most)|too [a-z]+ to|about to|supposed to|used to|far from|as if|as though|like to)(?![a-z])"
    r"|n't|(?:不|没有|并非)"
)
"""Beside a mention that nothing states: whether it is meant is not said."""
OBJECT = compiled(
    r"(?<![a-z])(?:stop|quit|avoid|teach|watch|discuss|lik|lov|hat|enjoy|mention|imagin|fear|prevent|talk|finish"
    r"|dream)(?:s|es|ed|ing|e)?"
    r"(?: about| from| of)? $"
)
"""'He stops running': what is named is done with."""
CROSS = compiled(r"^\W*[✗✘❌]\ufe0f?[\s\"'(*]{0,4}$")
NO = compiled(r"\?[\s\"')]{0,4}(?:no|nope|wrong|incorrect|false|不)(?![a-z])")
"""What replies to a question."""
SURE = compiled(
    r"([0-9]{1,3}(?:\.[0-9]{1,4})?)\s?(?:%|percent) (?:sure|certain|confident|chance|likely|probab)[^.;]{0,60}$"
)
EXCEPTS = compiled(r"(?<![a-z])(?:except(?:ing)?(?: for)?|besides|apart from|other than|but)\s(?:option )?\W?$")
"""'all except C are wrong'"""
ALIKE = compiled(
    r"(?<![a-z])(?:(?:so|neither|nor) (?:is|are|does|do|was|were|can|did)|(?:the )?same (?:goes|holds"
    r"|is true) for|likewise|as (?:is|are|does))\s\W?$|也不?是?$"
)
"""'and so is D': it stands as the one before."""
BREAKS = compiled(
    r"(?<![a-z])(?:but|however|yet|so|therefore|thus|hence|instead|although|though)(?![a-z])|但|所以|因此"
)
"""Where a supposition ends."""
HEDGES = compiled(
    r"(?<![a-z])(?:perhaps|maybe|possibly|might|may|could)(?![a-z])[^.!?]{0,20}$|(?:可能|也许)(?:是|为)?\W{0,3}$"
)
_WRONG = any_of(
    r"not(?=\s+\w)", r"never(?=\s+\w)", "wrong", "incorrect", "false", "inaccurate", "invalid",
    "unlikely", "impossible", "implausible", "out(?! of)", "ruled out", "eliminated", "excluded", "discarded",
    "dismissed",
    "rejected", "unsupported",
    "irrelevant", "less (?:likely|convincing|plausible|probable|accurate)", "contradicted", "partly", "partially",
    "distractor", "off", "too (?:long|short|early|late|wide|narrow|broad|high|low|many|few|much|little)", "mistaken",
    "worse", "no", "untrue",
)  # fmt: skip
BAD = compiled(
    r"^\s?\((?:no|wrong|incorrect|false)\)|"
    rf"{NEAR}{NOUN}(?:(?:{ADVERB}\s+){{0,3}}{VERB}\s+)?(?:{ADVERB}\s+){{0,4}}{_WRONG}(?![a-z])"
    rf"|{NEAR}{NOUN}(?:(?:is|was|are|were|does|do|did|ca|wo|could|would|should|has|have)n't|cannot|can ?not)\s+\w"
    rf"|{NEAR}{NOUN}(?:contradicts?|fails?|misses|conflicts?|(?:came|comes) (?:second|close|next|last))(?![a-z])"
    rf"|{NEAR}(?:none|neither) of (?:these|them|those)(?![a-z])"
    rf"|{NEAR}(?:{VERB}\s+)?(?:an? |the )?(?:close |distant )(?:second|runner-up)(?![a-z])"
    rf"|{NEAR}{VERB}\s+(?:the )?(?:second|runner-up)(?![a-z])"
    rf"|^\W{{0,3}}(?:选项|项|都|均|是)*(?:错误?|不对|不正确|不符|有误|被?排除|不成立|不是(?=\w))|^(?:之?[间内])?(?:并?没有?|不会|未)"
    rf"|^[\s(,-]{{0,3}}less (?:likely|plausible|convincing)|^\W{{0,3}}[✗✘❌×]|{TICKED.format(marks='✗✘❌')}"
)
"""At the start of what comes after a mention: it is wrong."""
BAD_AT_THE_END = compiled(rf"{NEAR}{VERB}(?:\s+not|n't)\W*$")
"""... the same, where the sentence ends with it."""
DOUBTS = compiled(
    r"(?<![a-z])(?:not (?:sure|certain|clear)|unsure|uncertain(?!ty)|unclear|don't know"
    r"|(?:can't|cannot) (?:tell|say|determine|be sure))"
)
"""Where they are expressed, only what is stated is an answer."""
REVERSES = compiled(r"(?<![a-z])(?:but|however|yet|instead|on the other hand)(?![a-z])|但是?|然而")
"""Before a mention that no words place: it may be meant instead of what was stated."""
TAKEN_BACK = compiled(
    r"\b(?:that|this|it|which)(?:'s| is| was) (?:(?:clearly|just|also|actually) )?"
    r"(?:wrong|incorrect|false|mistaken|not (?:right|correct|true))\b|"
    r"\bi (?:was|am) (?:wrong|mistaken)\b|(?<![a-z])i (?:(?:do not|don't) agree|disagree|doubt (?:it"
    r"|that))(?![a-z])|(?<=[.!?,] )(?:(?:wait|hmm|actually),? )?no\W{0,3}$|"
    r"(?:这|那)(?:是错|不对|不正确)|\bmy mistake\b|\b(?:scratch|strike|forget) that\b|\bnever ?mind\b"
)
