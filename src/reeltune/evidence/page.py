"""A small version's outcome as a section of Markdown."""

from collections.abc import Mapping, Sequence

from reeltune.evidence.spec import Reproduction
from reeltune.evidence.verdict import Measured, claim_table, judge, mean_table, retained

SIMULATION = "Toyworld is a simulation: these numbers say nothing about real benchmarks."


def section(
    name: str, found: Reproduction, measured: Measured, trivial: Mapping[str, Mapping[str, float]], made_by: str
) -> str:
    """Title, table, claims with verdicts, and what the small version does not show."""
    small, seeds = found.small, ", ".join(str(seed) for seed in measured)
    kept = retained(found)
    parts = [
        f"## {name}: {found.paper}",
        found.claims,
        f"`{made_by}`, seeds {seeds}. Percent, mean of the seeds (least to most). {SIMULATION}",
        mean_table(found, measured, trivial),
    ]
    if len(kept) > 1:
        parts.append(f"`retained` is the mean of what was not trained: {', '.join(kept)}.")
    parts.append(claim_table([judge(claim, measured) for claim in small.claims]))
    parts.append(_measures(found))
    if small.missing:
        parts.append("Not shown here:\n\n" + "\n".join(f"- {text}" for text in small.missing))
    return "\n\n".join(parts)


def _measures(found: Reproduction) -> str:
    told = [f"`{name}` is {each.metric} on `{each.samples}`" for name, each in found.small.measures.items()]
    runs = [f"`{name}` is `{each.recipe}`{_with(each.settings)}" for name, each in found.small.runs.items()]
    return f"Measured: {'; '.join(told)}. Trained: {'; '.join(runs)}."


def _with(settings: Sequence[str]) -> str:
    return f" with `{' '.join(settings)}`" if settings else ""
