"""The rewards of all groups of a step at once.

Rules are computed here, the user's functions run together and concurrently, the judge is asked once for all groups.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from reeltune.errors import InputError
from reeltune.judges.base import Judge
from reeltune.judges.rounds import ask_together
from reeltune.rewards.faults import RewardFaults
from reeltune.rewards.functions import Call, run_calls
from reeltune.rewards.weights import Reward, proxy_name, weighted_sum
from reeltune.sample import Sample
from reeltune.tasks.base import Components
from reeltune.tasks.judged import JudgedComponents, Verdict

Rows = list[list[Components | None]]
"""Group -> completion -> components; None: it leaves its group."""


@dataclass(frozen=True)
class GroupRewards:
    """`components` name -> one value per completion (None: does not apply); `total` [G]; `valid` [G] bool; `verdicts`
    of each completion, what a judge said of its statements; empty without a judge.

    A completion is not valid, and leaves the group's statistics, when no component applies, when the judge did not
    answer for it, and when a function with a weight raised: a lower total would be a score.
    """

    components: dict[str, list[float | None]]
    total: Tensor
    valid: Tensor
    verdicts: list[list[Verdict]] = field(default_factory=list)


def needs_judge(rewards: Mapping[str, Reward]) -> bool:
    """Whether a reward with a weight is declared by its task to be a judge's to give."""
    return any(reward.judged for reward in rewards.values())


def score_groups(
    rewards: Mapping[str, Reward],
    samples: Sequence[Sample],
    texts: Sequence[Sequence[str]],
    judge: Judge | None = None,
    faults: RewardFaults | None = None,
) -> list[GroupRewards]:
    """What the completions of each sample earn, in order; `texts`: sample -> its G completions.

    The judge is asked once a round for all groups of all tasks. Functions that raise are counted in `faults`.
    InputError for a reward that is NaN or infinite (it would ruin the whole group), for more faults than `faults`
    allows, and for a judged reward without a judge.
    """
    own = [rewards[sample.task].judged_by(judge) for sample in samples]
    faults = RewardFaults() if faults is None else faults
    # 1. What rules can tell, completion by completion. None: it leaves its group.
    rows: Rows = [
        [reward.task.rewards(sample, text, reward.mode, reward.options) for text in group]
        for reward, sample, group in zip(own, samples, texts, strict=True)
    ]
    # 2. What a judge tells, one round of questions for all groups, then what the user's functions tell, concurrently.
    verdicts = _add_judged(rows, rewards, samples, texts, judge)
    _add_functions(rows, own, samples, texts, faults)
    # 3. One total per completion: components by their weights.
    return [
        _group(reward, sample, group, verdicts.get(index, []))
        for index, (reward, sample, group) in enumerate(zip(own, samples, rows, strict=True))
    ]


def _group(
    reward: Reward, sample: Sample, rows: Sequence[Components | None], verdicts: list[list[Verdict]]
) -> GroupRewards:
    totals = [None if row is None else weighted_sum(row, reward.weights, sample) for row in rows]
    names = [name for name in reward.weights if any(row is not None and name in row for row in rows)]
    return GroupRewards(
        components={name: [None if row is None else row.get(name) for row in rows] for name in names},
        total=torch.tensor([0.0 if total is None else total for total in totals], dtype=torch.float32),
        valid=torch.tensor([total is not None for total in totals]),
        verdicts=verdicts,
    )


def _add_judged(
    rows: Rows,
    rewards: Mapping[str, Reward],
    samples: Sequence[Sample],
    texts: Sequence[Sequence[str]],
    judge: Judge | None,
) -> dict[int, list[list[Verdict]]]:
    """Adds what the judge gives to `rows`; returns its verdicts, group -> completion, of the groups that it judged."""
    places = [index for index, sample in enumerate(samples) if rewards[sample.task].judged]
    if not places:
        return {}
    if judge is None:
        sample = samples[places[0]]
        raise InputError(
            f"the reward {sample.task}.{rewards[sample.task].judged[0]} of sample {sample.id!r} needs a judge, but "
            "none was given"
        )
    judgments = [
        rewards[samples[i].task].task.judge_group(samples[i], texts[i], rewards[samples[i].task].options)
        for i in places
    ]
    verdicts = {}
    for index, found in zip(places, ask_together(judge, judgments), strict=True):
        verdicts[index] = [list(each.verdicts) if isinstance(each, JudgedComponents) else [] for each in found]
        for place, (row, judged) in enumerate(zip(rows[index], found, strict=True)):
            named = None if judged is None else {proxy_name(name, judge): value for name, value in judged.items()}
            rows[index][place] = None if row is None or named is None else row | named
    return verdicts


def _add_functions(
    rows: Rows,
    own: Sequence[Reward],
    samples: Sequence[Sample],
    texts: Sequence[Sequence[str]],
    faults: RewardFaults,
) -> None:
    """Every function of every group runs, also for completions that the judge left out: batches stay whole."""
    # 1. The calls: one per completion, or one per group for functions that take a batch, and where each belongs.
    calls: list[Call] = []
    places: list[tuple[int, slice]] = []
    for index, (reward, sample, group) in enumerate(zip(own, samples, texts, strict=True)):
        if not reward.functions:
            continue
        answers = [reward.task.read(sample, text) for text in group]
        prompt = reward.task.prompt(sample, reward.mode)
        for name, function in reward.functions.items():
            step = 1 if function.form == "completion" else len(group)
            for start in range(0, len(group), step):
                part = slice(start, start + step)
                calls.append(Call(name, function, sample, answers[part], group[part], prompt))
                places.append((index, part))
    if not calls:
        return
    # 2. All together. One that raised is counted and, where it has a weight, takes its completion out of the group.
    results = run_calls(calls, concurrency=min(reward.concurrency for reward in own))
    faults.calls += len(calls)
    for call, (index, part), found in zip(calls, places, results, strict=True):
        raised = isinstance(found, Exception)
        if isinstance(found, Exception):
            faults.add(call.name, call.sample.id, call.texts[0], found)
        values: Sequence[float | None] = [None] * len(call.texts) if isinstance(found, Exception) else found
        for place, value in zip(range(part.start, part.stop), values, strict=True):
            row = rows[index][place]
            if row is not None:
                weighs = own[index].weights.get(call.name, 0.0) != 0.0
                rows[index][place] = None if raised and weighs else row | {call.name: value}
    faults.check()
