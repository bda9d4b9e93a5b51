"""The standing fault campaign: what was tried to break Reeltune from outside, and what came of it.

    python -m faults [--minutes N] [--seed N] [PART ...]      # make faults: an hour; all parts, docs/reliability.md

Each part tries faults until its share of the time is over, and returns rows of the table: tried, survived, wrong. What
goes wrong is printed with its seed, so that it can be tried again alone.
"""
