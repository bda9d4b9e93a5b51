"""Who answers the samples of a selection K times: the recipe's model by its engine, or a model that somebody serves."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import torch

from reeltune.build import build_answerer
from reeltune.config.recipe import Recipe
from reeltune.errors import SampleError
from reeltune.evaluation.endpoint import Drawing, Sent, served
from reeltune.models.types import Prompt
from reeltune.rollout.engine import Request, RolloutEngine, answers, derive_seed
from reeltune.rollout.reader import InputReader, autocast
from reeltune.sample import Sample
from reeltune.selection.identity import sampling_params


@dataclass(frozen=True)
class Drawn:
    """K answers to one sample. `lengths` [K] in tokens, 0 where an endpoint does not say."""

    texts: list[str]
    truncated: int
    lengths: list[int]


Draw = Callable[[Sequence[Sample]], list[Drawn | SampleError]]
"""Samples -> K answers to each, in order, or why there are none."""


@dataclass(frozen=True)
class AtEndpoint:
    """`reeltune select --endpoint`: the model goes by the name `model.path` there."""

    url: str
    sends: Sent = "file"
    key_env: str | None = None


@contextmanager
def drawing(recipe: Recipe, endpoint: AtEndpoint | None, wait: Callable[[], None]) -> Iterator[Draw]:
    """`wait`: for the other processes, which may still ask the servers that this one would end."""
    if endpoint:
        yield at_endpoint(recipe, endpoint)
        return
    answerer = build_answerer(recipe)
    with (
        closing(answerer.engine),
        autocast(answerer.policy.device, recipe.optim.precision),
        torch.no_grad(),
    ):
        yield by_engine(recipe, answerer.reader, answerer.engine)
        wait()


def by_engine(recipe: Recipe, reader: InputReader, engine: RolloutEngine) -> Draw:
    params = replace(sampling_params(recipe), banned=tuple(reader.policy.banned.tolist()))

    def ask(samples: Sequence[Sample]) -> list[Drawn | SampleError]:
        found: dict[int, Prompt | SampleError] = {}
        for index, sample in enumerate(samples):
            try:
                found[index] = reader.prompt(sample)
            except SampleError as error:
                found[index] = error
        prompts = {index: each for index, each in found.items() if isinstance(each, Prompt)}
        features = reader.encode(list(prompts.values())) if prompts else []
        requests = [
            Request(prompt, video, derive_seed(recipe.seed, "select", samples[index].id))
            for (index, prompt), video in zip(prompts.items(), features, strict=True)
        ]
        given = iter(answers(engine, requests, recipe.select.repeats, params) if requests else [])
        drawn: list[Drawn | SampleError] = []
        for each in found.values():
            if isinstance(each, SampleError):
                drawn.append(each)
            elif isinstance(rollout := next(given), str):  # the engine gave it up
                drawn.append(SampleError(rollout))
            else:
                lengths = rollout.completions.lengths
                drawn.append(Drawn(rollout.texts, int(rollout.truncated.sum()), lengths))
        return drawn

    return ask


def at_endpoint(recipe: Recipe, endpoint: AtEndpoint) -> Draw:
    """K requests a sample, each with a seed of its own: an endpoint that heeds it gives the same answers again."""
    params = sampling_params(recipe)
    asked = Drawing(recipe.select.repeats, params.temperature, params.top_p, params.top_k, params.max_new_tokens)
    model = str(recipe.model.path)
    asks = served(endpoint.url, model, recipe, sends=endpoint.sends, key_env=endpoint.key_env, drawing=asked)

    def ask(samples: Sequence[Sample]) -> list[Drawn | SampleError]:
        return [
            each
            if isinstance(each, SampleError)
            else Drawn(
                [reply.text for reply in each],
                sum(reply.truncated for reply in each),
                [reply.completion_tokens for reply in each],
            )
            for each in asks.draw(samples)
        ]

    return ask
