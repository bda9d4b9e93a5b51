"""What the paper leaves open about captioning's rewards, as settings: rewards.options.captioning in a recipe.

The defaults are our choices where it says so.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ThinkOptions(_Options):
    """The think scorer T (VideoCap-R1, arXiv 2506.01725): how items match. All values are our choice."""

    threshold: float = Field(
        0.6, gt=0, le=1, description="Minimum similarity at which two attributes or actions match."
    )
    senses: int = Field(2, ge=0, le=3, description="Number of most frequent WordNet senses used for synonyms; 0: none.")
    name_weight: float = Field(
        2.0, ge=0, description="Subjects are aligned by this weight times the similarity of their names plus F1."
    )
    name_threshold: float = Field(
        0.4,
        ge=0,
        le=1,
        description="Minimum similarity of names for a pair to count; 0: names are ignored.",
    )
    measure: Literal["f1", "jaccard"] = Field(
        "f1",
        description="f1: as published; jaccard: over the union, so that two guesses earn no more than one.",
    )
    pooling: Literal["pooled", "mean"] = Field(
        "pooled", description="pooled: one F1 over attributes and actions; mean: the mean of both F1s."
    )


class CaptionOptions(_Options):
    """The caption scorer E: from coverage to reward. Published (recipes/videocap-r1): shape steps, measure recall,
    which a caption that guesses everything wins; the defaults are ours."""

    shape: Literal["steps", "linear"] = Field("linear", description="steps: as published; linear: the measure itself.")
    steps: list[tuple[float, float]] = Field(
        [(0.28, 0.5), (0.35, 1.0)], description="[minimum coverage, reward] in rising order; 0 below the first."
    )
    measure: Literal["recall", "f1", "jaccard"] = Field(
        "f1",
        description="f1 also judges precision, so that guessing costs; jaccard: two guesses earn no more than "
        "one; recall: as published, rewards guessing.",
    )

    @model_validator(mode="after")
    def _steps_rise(self) -> "CaptionOptions":
        edges = [0.0, *(edge for edge, _ in self.steps)]
        if any(low >= high for low, high in zip(edges, [*edges[1:], 1.0 + 1e-9], strict=True)):
            raise ValueError("steps must begin at rising coverages above 0 and at most 1")
        if any(not 0 <= reward <= 1 for _, reward in self.steps):
            raise ValueError("the rewards of steps must lie in 0..1")
        return self


class CaptioningOptions(_Options):
    think: ThinkOptions = ThinkOptions()
    caption: CaptionOptions = CaptionOptions()
