"""What is planned: a plan file, a training recipe, or a model directory."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reeltune.config.mixture_of_depths import MixtureOfDepthsConfig
from reeltune.config.recipe import Recipe, VideoConfig, load_recipe
from reeltune.config.shipped import locate
from reeltune.config.tree import apply_override, read_yaml, rename
from reeltune.data.sources import TOYWORLD, resolve_model
from reeltune.errors import InputError
from reeltune.hub import is_hub_name, local_model
from reeltune.planning.architecture import Architecture, Decoder, Tower, read_architecture
from reeltune.planning.known import KNOWN, known_config

TEXT_TOKENS = 64
VISION_TOKENS = (1024, 6144, 16384)


class Reference(BaseModel):
    """A published figure to stand beside ours, under the paper's accounting; TFLOPs, shares in percent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dense_tflops: float
    routed_tflops: float
    vision_cache_percent: float


class PlanFile(BaseModel):
    """The YAML of a plan: a model's sizes and the prompts to count, so nothing has to be downloaded."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    decoder: Decoder
    vision: Tower | None = None
    text_tokens: int = Field(TEXT_TOKENS, ge=0)
    vision_tokens: tuple[int, ...] = Field(VISION_TOKENS, min_length=1)
    mixture_of_depths: MixtureOfDepthsConfig | None = MixtureOfDepthsConfig()
    published: Reference | None = Field(None, description="The paper's figures for the first of vision_tokens.")


@dataclass(frozen=True)
class Plan:
    """`recipe` is given where the source is one; its step is planned too."""

    name: str
    architecture: Architecture
    text_tokens: int
    vision_tokens: tuple[int, ...]
    routing: MixtureOfDepthsConfig | None
    published: Reference | None = None
    recipe: Recipe | None = None


def read_plan(path: Path, overrides: Sequence[str] = ()) -> Plan:
    """`overrides` are `section.key=value` for a plan file or a recipe.

    Raises InputError for a missing or broken source, naming the key.
    """
    path = locate(path)
    if path.is_dir():
        if overrides:
            raise InputError(f"{path} is a model directory, which accepts no overrides; got {overrides[0]!r}")
        return _from_directory(path)
    tree = read_yaml(path, what="plan file, recipe or model directory")
    if not isinstance(tree, dict):
        raise InputError(f"{path} must be a mapping: a plan file has the key decoder, a recipe the key method")
    if "method" in tree or "extends" in tree:
        return plan_recipe(load_recipe(path, overrides), name=path.stem, beside=path.parent)
    for override in overrides:
        apply_override(tree, override)
    rename(tree)
    return _from_file(path, tree)


def _from_file(path: Path, tree: dict[str, Any]) -> Plan:
    try:
        file = PlanFile.model_validate(tree)
    except ValidationError as error:
        problems = "\n".join(f"  {'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise InputError(f"{path}: the plan breaks these rules:\n{problems}") from None
    return Plan(
        name=file.name,
        architecture=Architecture(decoder=file.decoder, vision=file.vision),
        text_tokens=file.text_tokens,
        vision_tokens=file.vision_tokens,
        routing=file.mixture_of_depths,
        published=file.published,
    )


def _from_directory(directory: Path) -> Plan:
    config = _model_config(directory)
    section = config.get("mixture_of_depths")
    routing = MixtureOfDepthsConfig() if section is None else MixtureOfDepthsConfig.model_validate(section)
    return Plan(directory.name, read_architecture(config, str(directory)), TEXT_TOKENS, VISION_TOKENS, routing)


def plan_recipe(recipe: Recipe, *, name: str, beside: Path | None = None) -> Plan:
    """The longest prompt of a recipe's model. `beside`: a folder of recipes, one of which may make that model."""
    where, config = _config_of(recipe, beside)
    vision = config.get("vision_config", {})
    if "spatial_merge_size" in vision:  # a tower that takes any size
        tokens = largest_video(recipe.video, vision.get("patch_size", 14) * vision["spatial_merge_size"])
        per_image = max(1, tokens // max(1, recipe.video.max_frames // 2))
        architecture = read_architecture(config, where, tokens_per_image=per_image)
    else:
        architecture = read_architecture(config, where)
        tokens = recipe.video.max_frames * architecture.vision.tokens_per_image if architecture.vision else 0
    routing = recipe.model.mixture_of_depths
    if routing is None and "mixture_of_depths" in config:
        routing = MixtureOfDepthsConfig.model_validate(config["mixture_of_depths"])
    return Plan(name, architecture, TEXT_TOKENS, (tokens,), routing, recipe=recipe)


def _config_of(recipe: Recipe, beside: Path | None) -> tuple[str, dict[str, Any]]:
    """Where it stands, and the config of the recipe's model: of its directory, else the published one of that name,
    else that of the recipe in `beside` that trains it."""
    spec = recipe.model.path
    if spec == "toyworld:new":
        with TemporaryDirectory() as scratch:  # planning leaves no files behind
            own = recipe.toyworld.model_copy(update={"dir": scratch})
            return spec, _model_config(resolve_model(spec, own))
    directory = Path(spec)
    known = known_config(directory.name.partition("@")[0])
    if known and not (directory / "config.json").is_file():
        return f"{directory.name} as published", known
    if spec.startswith(TOYWORLD):
        directory = resolve_model(spec, recipe.toyworld)
    if (directory / "config.json").is_file():
        return str(directory), _model_config(directory)
    for other in sorted(beside.glob("*.yaml")) if beside else []:
        tree = read_yaml(other, what="recipe")
        if isinstance(tree, dict) and ("method" in tree or "extends" in tree):
            maker = load_recipe(other)
            if maker.run.dir != recipe.run.dir and Path(maker.run.dir) in directory.parents:
                where, config = _config_of(maker, beside)
                routing = maker.model.mixture_of_depths
                return where, config | ({"mixture_of_depths": routing.model_dump()} if routing else {})
    if is_hub_name(spec):
        directory = local_model(spec, weights=False)
        return spec, _model_config(directory)
    raise InputError(
        f"model.path: {str(directory)!r} has no config.json, and its name is none of {', '.join(KNOWN)}, whose "
        "sizes are known; give the directory of the model"
    )


def largest_video(video: VideoConfig, side: int) -> int:
    """The most vision tokens of one video under a recipe's pixel rules; a pair of frames becomes one row of tokens."""
    pairs = video.max_frames / 2
    pixels = min(max(video.total_pixels, pairs * 1.05 * video.min_frame_pixels), pairs * video.max_frame_pixels)
    return int(pixels) // side**2


def _model_config(directory: Path) -> dict[str, Any]:
    file = directory / "config.json"
    if not file.is_file():
        raise InputError(f"{directory} has no config.json, so the model cannot be planned")
    config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return config
