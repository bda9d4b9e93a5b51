"""The sizes of a video language model that decide its cost: written in a plan file, or read from a config.json."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from reeltune.errors import InputError


class Sizes(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Decoder(Sizes):
    """A decoder of pre-norm blocks with grouped-query attention and a gated MLP (Llama, Qwen2, Qwen3)."""

    layers: int = Field(ge=1)
    hidden: int = Field(ge=1)
    intermediate: int = Field(ge=1)
    heads: int = Field(ge=1)
    kv_heads: int = Field(ge=1)
    head_dim: int = Field(ge=1)
    vocabulary: int = Field(ge=1)
    tied: bool = Field(False, description="The output head is the embedding table.")
    qk_norm: bool = Field(False, description="Queries and keys are normed by head (Qwen3).")

    @property
    def layer_weights(self) -> int:
        """Weights of one layer's linear maps; norms and biases are left out."""
        attention = self.hidden * self.head_dim * (2 * self.heads + 2 * self.kv_heads)
        return attention + 3 * self.hidden * self.intermediate

    @property
    def head_weights(self) -> int:
        return self.hidden * self.vocabulary

    @property
    def weights(self) -> int:
        return self.layers * self.layer_weights + self.head_weights * (1 if self.tied else 2)

    @property
    def cache_values(self) -> int:
        """Keys and values of one token in one layer."""
        return 2 * self.kv_heads * self.head_dim


class Tower(Sizes):
    """A vision transformer and the projector behind it; "image" is one image or one pair of video frames."""

    layers: int = Field(ge=1)
    hidden: int = Field(ge=1)
    intermediate: int = Field(ge=1)
    gated_mlp: bool = False
    patch_values: int = Field(ge=1, description="Numbers in one patch: channels * patch * patch * frames.")
    patches_per_token: int = Field(1, ge=1)
    tokens_per_image: int = Field(ge=1, description="Vision tokens of one image for the decoder.")
    class_tokens: int = Field(0, ge=0)
    window: int | None = Field(None, description="Patches that attend to each other in windowed layers.")
    full_layers: int | None = Field(None, description="Layers without windows; none: all.")
    projector: tuple[tuple[int, int], ...] = Field((), description="Linear maps (in, out), once per vision token.")

    @model_validator(mode="after")
    def _windows_come_with_their_layers(self) -> "Tower":
        if (self.window is None) != (self.full_layers is None):
            raise ValueError("window and full_layers must be given together")
        return self

    @property
    def layer_weights(self) -> int:
        return 4 * self.hidden**2 + (3 if self.gated_mlp else 2) * self.hidden * self.intermediate

    @property
    def projector_weights(self) -> int:
        return sum(inside * outside for inside, outside in self.projector)

    @property
    def weights(self) -> int:
        return self.layers * self.layer_weights + self.hidden * self.patch_values + self.projector_weights


class Architecture(Sizes):
    decoder: Decoder
    vision: Tower | None = None

    @property
    def weights(self) -> int:
        return self.decoder.weights + (self.vision.weights if self.vision else 0)


def read_architecture(config: Mapping[str, Any], where: str, *, tokens_per_image: int = 256) -> Architecture:
    """From a config.json's content. `tokens_per_image` is for towers that take any size.

    Raises InputError for a model type whose sizes are not known.
    """
    kind = config.get("model_type")
    if kind not in TOWERS:
        raise InputError(f"{where}: cannot plan model type {kind!r}; known are {sorted(TOWERS)}")
    text = config.get("text_config") or config
    vision = config["vision_config"]
    try:
        decoder = _decoder(text, config)
        return Architecture(decoder=decoder, vision=TOWERS[kind](vision, decoder.hidden, tokens_per_image))
    except KeyError as error:
        raise InputError(f"{where}: a {kind} config needs the key {error}") from None


def _decoder(text: Mapping[str, Any], config: Mapping[str, Any]) -> Decoder:
    heads = text["num_attention_heads"]
    kind = str(config.get("model_type", ""))
    return Decoder(
        layers=text["num_hidden_layers"],
        hidden=text["hidden_size"],
        intermediate=text["intermediate_size"],
        heads=heads,
        kv_heads=text.get("num_key_value_heads") or heads,
        head_dim=text.get("head_dim") or text["hidden_size"] // heads,
        vocabulary=text["vocab_size"],
        tied=bool(config.get("tie_word_embeddings", text.get("tie_word_embeddings", False))),
        qk_norm=kind.startswith("qwen3"),
    )


def _clip(vision: Mapping[str, Any], hidden: int, _: int) -> Tower:
    width = vision["hidden_size"]
    return Tower(
        layers=vision["num_hidden_layers"],
        hidden=width,
        intermediate=vision["intermediate_size"],
        patch_values=3 * vision["patch_size"] ** 2,
        tokens_per_image=(vision["image_size"] // vision["patch_size"]) ** 2,
        class_tokens=1,
        projector=((width, hidden), (hidden, hidden)),
    )


def _qwen2(vision: Mapping[str, Any], hidden: int, tokens_per_image: int) -> Tower:
    return _qwen(vision, hidden, tokens_per_image, vision["embed_dim"], vision["embed_dim"] * vision["mlp_ratio"])


def _qwen2_5(vision: Mapping[str, Any], hidden: int, tokens_per_image: int) -> Tower:
    tower = _qwen(vision, hidden, tokens_per_image, vision["hidden_size"], vision["intermediate_size"])
    window = (vision["window_size"] // vision["patch_size"]) ** 2
    windows = {"window": window, "full_layers": len(vision["fullatt_block_indexes"]), "gated_mlp": True}
    return tower.model_copy(update=windows)


def _qwen3(vision: Mapping[str, Any], hidden: int, tokens_per_image: int) -> Tower:
    tower = _qwen(vision, hidden, tokens_per_image, vision["hidden_size"], vision["intermediate_size"])
    # One projector of the same size behind each deepstack layer.
    return tower.model_copy(update={"projector": tower.projector * (1 + len(vision["deepstack_visual_indexes"]))})


def _qwen(vision: Mapping[str, Any], hidden: int, tokens_per_image: int, width: int, intermediate: int) -> Tower:
    merged = width * vision["spatial_merge_size"] ** 2
    return Tower(
        layers=vision["depth"],
        hidden=width,
        intermediate=int(intermediate),
        patch_values=vision.get("in_channels", 3) * vision["temporal_patch_size"] * vision["patch_size"] ** 2,
        patches_per_token=vision["spatial_merge_size"] ** 2,
        tokens_per_image=tokens_per_image,
        projector=((merged, merged), (merged, hidden)),
    )


TOWERS = {"llava": _clip, "qwen2_vl": _qwen2, "qwen2_5_vl": _qwen2_5, "qwen3_vl": _qwen3}
