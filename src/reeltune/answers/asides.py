"""What stands beside a statement and does not speak against it: brackets, "while", parts of what was said."""

from reeltune.answers.words import compiled

PART = compiled(
    r"(?<![a-z])(?:of (?:which|whom|these|those|them)|including"
    r"|based on|given(?! in | by )|relative to)[^.;:,]*$"
)
PART_AFTER = compiled(r"^ of (?:which|whom|them|these|those)(?![a-z])|^[个只人名](?:是|为)")
"""'2 of whom are children'"""
DESCRIBES = compiled(
    r"^(?: [a-z]+)?(?: of (?:which|whom|them|these|those))?(?: (?:is|are|were|was|being)(?![a-z])"
    r"|(?<=[hme]) [a-z]+\W*$)|^[个只人名]?(?:是|为)"
)
ASIDE = compiled(
    r"\([^()]*$|(?<![a-z])(?:while|whereas|although|(?:even )?though(?!,)|despite|in spite of|followed by|preceded by"
    r"|including|of (?:which|whom|these|those|them)|besides|apart from"
    r"|(?:hints?|signs?|undertones?|traces?) of|ignor[a-z]+|regardless of|not counting|compared (?:to"
    r"|with))(?![a-z])[^.;,]*$"
)
"""Before a mention: it stands in a clause or bracket beside what was stated, and does not speak against it."""
CAUSE = compiled(r"(?<![a-z])(?:because|since)(?![a-z])[^.;,]*$")
ASIDE_AFTER = compiled(
    r"^[\"')\]*]{0,3} (?:of (?:them|these|those|whom|which)|(?:(?:is|was|are|were) )?(?:only |just )?"
    r"(?:happens?|happened|occurs?|occurred|comes|came|seen|shown|visible|done|appears?)? ?"
    r"(?:earlier|later|before|afterwards?|elsewhere|at the (?:start|beginning|end)|in the background|in another"
    r"|(?:is|are) not counted))(?![a-z])"
)
