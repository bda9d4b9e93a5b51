"""Which samples are informative, and which of them are kept: pure functions of the statistics.

- Discrete rewards (right or wrong): kept where 0 < passes < K.
- Continuous rewards (an overlap): kept where std >= s and the mean or the maximum >= m.

The rules are Temporal-RLT's (arXiv 2506.01908); its thresholds are not published, the defaults are our choice.
A band on the mean, common elsewhere, is wrong for an overlap: a group stuck at 0.5 has no signal.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from reeltune.errors import InputError, nearest
from reeltune.selection.stats import SampleStats, discrete_tasks

Kind = Literal[
    "all wrong", "all right", "mixed", "poor and steady", "good and steady", "varied", "varied but poor", "no reward"
]
TEACHING: tuple[Kind, ...] = ("mixed", "varied")
DIFFICULTIES = ("hard", "medium", "easy")
QUOTA_FIELDS = ("task", "source", "difficulty")
NO_SOURCE = "(none)"


@dataclass(frozen=True)
class Quota:
    """At most `limit` samples whose `field` is `value`."""

    field: str
    value: str
    limit: int

    def __str__(self) -> str:
        return f"{self.field}:{self.value}={self.limit}"


@dataclass(frozen=True)
class Options:
    min_std: float = 0.1
    min_level: float = 0.3
    level: Literal["mean", "max"] = "max"
    size: int | None = None
    quotas: tuple[Quota, ...] = ()
    seed: int = 0


@dataclass(frozen=True)
class Decision:
    """`rank` is the place among the informative samples of its task, 0 the most varied; None for the others."""

    id: str
    kind: Kind
    difficulty: str
    kept: bool
    reason: str
    rank: int | None = None


def choose(stats: Sequence[SampleStats], options: Options) -> list[Decision]:
    """One decision per sample, in order. InputError for a quota that no sample can meet.

    By rank: the samples of every task are ordered by their std, and the best of each task come first, then the
    second best and so on in proportion to the tasks' numbers, since the std of an overlap and that of a right or
    wrong answer cannot be compared. Equal ones are ordered by a seeded hash of the id, not by their place.
    """
    _check_quotas(stats, options.quotas)
    discrete = discrete_tasks(stats)
    kinds = {each.id: kind_of(each, options, discrete=each.task in discrete) for each in stats}
    ranks = _ranks([each for each in stats if kinds[each.id] in TEACHING], options.seed)
    reasons = _admit([each for each in stats if each.id in ranks], ranks, options)
    decisions = []
    for each in stats:
        reason = reasons.get(each.id, kinds[each.id])
        rank = ranks[each.id][0] if each.id in ranks else None
        decisions.append(Decision(each.id, kinds[each.id], difficulty_of(each), reason == "kept", reason, rank))
    return decisions


def kind_of(stats: SampleStats, options: Options, *, discrete: bool) -> Kind:
    if not stats.scored:
        return "no reward"
    if discrete:
        if stats.passes == 0:
            return "all wrong"
        return "all right" if stats.passes == len(stats.scored) else "mixed"
    level = stats.max if options.level == "max" else stats.mean or 0.0
    varied, good = (stats.std or 0.0) >= options.min_std, level >= options.min_level
    if varied:
        return "varied" if good else "varied but poor"
    return "good and steady" if good else "poor and steady"


def difficulty_of(stats: SampleStats) -> str:
    """hard, medium, easy: thirds of the mean score (our choice)."""
    return DIFFICULTIES[min(int(3 * (stats.mean or 0.0)), 2)]


def parse_quota(text: str) -> Quota:
    """ "task:multiple_choice=100", "source:charades=500", "difficulty:hard=50"."""
    name, equals, limit = text.rpartition("=")
    field, colon, value = name.partition(":")
    if not (equals and colon and value and field in QUOTA_FIELDS and limit.isdecimal()):
        raise InputError(f"a quota must look like {'|'.join(QUOTA_FIELDS)}:VALUE=NUMBER; got {text!r}")
    return Quota(field, value, int(limit))


def quota_value(stats: SampleStats, field: str) -> str:
    if field == "task":
        return stats.task
    return difficulty_of(stats) if field == "difficulty" else stats.source or NO_SOURCE


def _check_quotas(stats: Iterable[SampleStats], quotas: Sequence[Quota]) -> None:
    known = {field: {quota_value(each, field) for each in stats} for field in ("task", "source")}
    known["difficulty"] = set(DIFFICULTIES)
    for quota in quotas:
        if quota.value not in known[quota.field]:
            raise InputError(
                f"quota {quota}: no sample has this {quota.field}{nearest(quota.value, known[quota.field])}; "
                f"there are {', '.join(sorted(known[quota.field]))}"
            )
    if twice := [name for name, count in Counter((q.field, q.value) for q in quotas).items() if count > 1]:
        raise InputError(f"quota {':'.join(twice[0])} is given twice; give it once")


def _ranks(informative: Sequence[SampleStats], seed: int) -> dict[str, tuple[int, float]]:
    """id -> (place in its task, the place as a share of the task)."""
    by_task: defaultdict[str, list[SampleStats]] = defaultdict(list)
    for each in informative:
        by_task[each.task].append(each)
    ranks = {}
    for members in by_task.values():
        ordered = sorted(members, key=lambda each: (-(each.std or 0.0), _tie(seed, each.id)))
        for place, each in enumerate(ordered):
            ranks[each.id] = (place, (place + 0.5) / len(ordered))
    return ranks


def _admit(informative: Sequence[SampleStats], ranks: dict[str, tuple[int, float]], options: Options) -> dict[str, str]:
    """id -> "kept", or what kept it out."""
    counts: Counter[tuple[str, str]] = Counter()
    reasons: dict[str, str] = {}
    kept = 0
    for each in sorted(informative, key=lambda each: (ranks[each.id][1], _tie(options.seed, each.id))):
        own = [quota for quota in options.quotas if quota_value(each, quota.field) == quota.value]
        full = next((quota for quota in own if counts[quota.field, quota.value] >= quota.limit), None)
        if options.size is not None and kept >= options.size:
            reasons[each.id] = f"beyond size {options.size}"
        elif full is not None:
            reasons[each.id] = f"quota {full}"
        else:
            reasons[each.id] = "kept"
            kept += 1
            counts.update((quota.field, quota.value) for quota in own)
    return reasons


def _tie(seed: int, sample_id: str) -> bytes:
    return hashlib.blake2b(f"{seed}/{sample_id}".encode(), digest_size=8).digest()
