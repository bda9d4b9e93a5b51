"""`recipes/reproduce-PAPER.yaml`: what a paper claims and what is run to look whether it holds.

The package knows no paper: each is one file of this form. Small versions run on toyworld, a
simulation.
"""

from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from reeltune.config.section import Section
from reeltune.config.shipped import papers
from reeltune.config.tree import read_yaml
from reeltune.errors import InputError, nearest

BASE = "base"


class Stage(Section):
    """A command of the whole reproduction; it is not repeated once `makes` is there."""

    makes: str
    run: list[str] = Field(min_length=1, description="Words after `reeltune`.")


class Column(Section):
    """Where our number of a column of the published table comes from."""

    name: str
    file: str = Field(description="A scores.json that a stage makes.")
    key: str = Field(description="Dotted: temporal_grounding.miou.")


class Whole(Section):
    """What the paper did, at its size."""

    needs: dict[str, str] = Field(description="Path -> what belongs there and where it is from.")
    hardware: str
    stages: list[Stage]
    columns: list[Column]


class Run(Section):
    """One training of the small version.

    In a setting `{NAME}` stands for the last model of the run NAME, `{seed}` for the seed.
    """

    recipe: str
    settings: list[str] = Field([])


class Measure(Section):
    """One number: the mean of a metric over held-out samples, in percent."""

    samples: str
    metric: str = Field(description="As `score` names it; `a * b` is the harmonic mean of two, sample by sample.")
    trained: bool = Field(False, description="Untrained ones are what should be kept.")


class Claim(Section):
    """`better` is ahead of `than` by at least `points` in the mean of the measures; negative: at most so far behind.

    In the mean of the seeds, and with `each_seed` in each.
    """

    says: str
    better: str
    than: str
    measures: list[str] = Field(min_length=1)
    points: float
    each_seed: bool = False


class Small(Section):
    recipe: str = Field(description="Its model, video and data settings are the base's and every evaluation's.")
    settings: list[str] = Field([])
    runs: dict[str, Run]
    measures: dict[str, Measure]
    claims: list[Claim]
    missing: list[str] = Field([], description="What of the paper's claims the small version does not show, and why.")

    @model_validator(mode="after")
    def _names_are_known(self) -> "Small":
        runs = [BASE, *self.runs]
        for claim in self.claims:
            for name, known in [
                (claim.better, runs),
                (claim.than, runs),
                *((each, [*self.measures]) for each in claim.measures),
            ]:
                if name not in known:
                    raise ValueError(f"the claim {claim.says!r} names {name!r}{nearest(name, known)}")
        return self


class Reproduction(Section):
    paper: str
    claims: str = Field(description="In a sentence.")
    published: dict[str, dict[str, float | None]] = Field(description="Row -> column -> value, as printed.")
    whole: Whole
    small: Small


def load(name: str) -> Reproduction:
    """The file of that paper, or the file of that path. InputError with the nearest name, or for a broken file."""
    known = papers()
    path = Path(name) if name.endswith(".yaml") else known.get(name)
    if path is None:
        hint = f"{nearest(name, known)}; there are {', '.join(known)}"
        raise InputError(f"{name!r} is no paper that can be reproduced{hint}")
    tree: Any = read_yaml(path, what="reproduction")
    try:
        return Reproduction.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"reproduction {path}: {place}: {first['msg']}") from None
