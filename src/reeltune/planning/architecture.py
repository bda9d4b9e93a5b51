"""The sizes of a video language model that decide its cost: written in a plan file, or read from a config.json."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from reeltune.errors import InputError


class Sizes(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Decoder(Sizes):
    """A decoder of pre-norm blocks with grouped-query attention and a gated MLP (Llama, Qwen2, Qwen3); in some layers a
    gated delta net in place of attention, or experts in place of the MLP (Qwen3.5, Qwen3-VL-MoE), or attention over a
    sliding window."""

    layers: int = Field(ge=1)
    hidden: int = Field(ge=1)
    intermediate: int = Field(ge=1)
    heads: int = Field(ge=1)
    kv_heads: int = Field(ge=1)
    head_dim: int = Field(ge=1)
    vocabulary: int = Field(ge=1)
    tied: bool = Field(False, description="The output head is the embedding table.")
    qk_norm: bool = Field(False, description="Queries and keys are normed by head (Qwen3).")
    output_gate: bool = Field(False, description="Attention's output is gated by as many numbers, made with queries.")
    recurrent_layers: int = Field(0, ge=0, description="Layers of gated delta nets; the others attend.")
    recurrent_weights: int = Field(0, ge=0, description="Weights of a gated delta net's linear maps.")
    state_values: int = Field(0, ge=0, description="Numbers that one sequence leaves in a gated delta net.")
    sliding_layers: int = Field(0, ge=0, description="Layers that attend to the last `window` tokens alone.")
    window: int = Field(0, ge=0, description="Tokens that one sees in such a layer, itself among them.")
    experts: int = Field(0, ge=0, description="Experts of a layer, of `intermediate` each; 0: a plain MLP.")
    experts_per_token: int = Field(0, ge=0)
    shared_expert: int = Field(0, ge=0, description="Intermediate size of an expert that every token passes.")

    @property
    def mixer_weights(self) -> int:
        """Weights of the linear maps between tokens, the mean over the layers."""
        attention = self.hidden * self.head_dim * ((3 if self.output_gate else 2) * self.heads + 2 * self.kv_heads)
        whole = (self.layers - self.recurrent_layers) * attention + self.recurrent_layers * self.recurrent_weights
        return whole // self.layers

    def mlp_weights(self, experts: int) -> int:
        """Of a plain MLP, or of so many experts with their router and shared expert."""
        if not self.experts:
            return 3 * self.hidden * self.intermediate
        shared = self.hidden * (3 * self.shared_expert + 1) if self.shared_expert else 0
        return 3 * self.hidden * self.intermediate * experts + self.hidden * self.experts + shared

    @property
    def layer_weights(self) -> int:
        """Weights of the linear maps that a token passes in one layer, the mean over layers; no norms, no biases."""
        return self.mixer_weights + self.mlp_weights(self.experts_per_token)

    @property
    def head_weights(self) -> int:
        return self.hidden * self.vocabulary

    @property
    def weights(self) -> int:
        layer = self.mixer_weights + self.mlp_weights(self.experts)
        return self.layers * layer + self.head_weights * (1 if self.tied else 2)

    @property
    def cache_values(self) -> int:
        """Keys and values of one token in one layer, the mean over layers: recurrent ones keep none."""
        return 2 * self.kv_heads * self.head_dim * (self.layers - self.recurrent_layers) // self.layers

    def window_of(self, layer: int) -> int | None:
        """The window of a layer, None where it has none; windowed layers count as the last ones, as Qwen's are."""
        return self.window if layer >= self.layers - self.sliding_layers else None

    def kept_tokens(self, tokens: int) -> int:
        """Of a sequence of `tokens`, how many the caches of all layers hold together."""
        return (self.layers - self.sliding_layers) * tokens + self.sliding_layers * min(tokens, self.window)


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
    """From a config.json's content, by the form of its sections: no model type is known here, a family of one's own is
    read as any other. `tokens_per_image` is for towers that take any size.

    Published files leave out what their class has by default, such as all sizes of LLaVA-1.5's decoder: where a key is
    missing, transformers' class of that model type fills it in. Raises InputError for a config of another form.
    """
    try:
        return _read(config, tokens_per_image)
    except KeyError:
        pass
    try:
        return _read(_filled(config), tokens_per_image)
    except KeyError as error:
        raise InputError(
            f"{where}: cannot plan a config of model type {config.get('model_type')!r} without the key {error}; "
            "write its sizes in a plan file instead (docs/plan.md)"
        ) from None


def _read(config: Mapping[str, Any], tokens_per_image: int) -> Architecture:
    """KeyError for what is missing."""
    vision = config["vision_config"]
    decoder = _decoder(config.get("text_config") or config, config)
    if "spatial_merge_size" in vision:
        tower = _any_size(vision, decoder.hidden, tokens_per_image)
    else:
        tower = _square(vision, config, decoder.hidden)
    return Architecture(decoder=decoder, vision=tower)


def _filled(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """With the defaults of its class; as it is where transformers has none."""
    from transformers import CONFIG_MAPPING

    kind = config.get("model_type")
    if kind not in CONFIG_MAPPING:
        return config
    filled: dict[str, Any] = CONFIG_MAPPING[kind].from_dict(dict(config)).to_dict()
    return filled


def _decoder(text: Mapping[str, Any], config: Mapping[str, Any]) -> Decoder:
    heads = text["num_attention_heads"]
    experts = text.get("num_experts") or text.get("num_local_experts") or 0
    return Decoder(
        layers=text["num_hidden_layers"],
        hidden=text["hidden_size"],
        intermediate=text["moe_intermediate_size"] if experts else text["intermediate_size"],
        heads=heads,
        kv_heads=text.get("num_key_value_heads") or heads,
        head_dim=text.get("head_dim") or text["hidden_size"] // heads,
        vocabulary=text["vocab_size"],
        tied=bool(config.get("tie_word_embeddings", text.get("tie_word_embeddings", False))),
        qk_norm=any(str(each.get("model_type", "")).startswith("qwen3") for each in (config, text)),
        experts=experts,
        experts_per_token=text["num_experts_per_tok"] if experts else 0,
        shared_expert=(text.get("shared_expert_intermediate_size") or 0) if experts else 0,
        **(_recurrence(text) if "linear_num_value_heads" in text else {}),
        **_windows(text),
    )


def _windows(text: Mapping[str, Any]) -> dict[str, int]:
    """Qwen2 names its windowed layers, or where they begin; all of a Mistral's have the window, if it has one."""
    kinds, layers, window = text.get("layer_types"), text["num_hidden_layers"], text.get("sliding_window")
    if text.get("model_type") == "mistral":
        sliding = layers
    elif not text.get("use_sliding_window"):
        sliding = 0
    elif kinds:
        sliding = kinds.count("sliding_attention")
    else:
        sliding = max(0, layers - text.get("max_window_layers", layers))
    return {"sliding_layers": sliding, "window": window} if sliding and window else {}


def _recurrence(text: Mapping[str, Any]) -> dict[str, Any]:
    """What Qwen3.5's gated delta nets add: one of `full_attention_interval` (4) layers attends."""
    layers, hidden = text["num_hidden_layers"], text["hidden_size"]
    kinds = text.get("layer_types") or [
        "linear_attention" if (index + 1) % text.get("full_attention_interval", 4) else "full_attention"
        for index in range(layers)
    ]
    heads, key, value = text["linear_num_value_heads"], text["linear_key_head_dim"], text["linear_value_head_dim"]
    keys, values = text["linear_num_key_heads"] * key, heads * value
    channels, kernel = 2 * keys + values, text["linear_conv_kernel_dim"]
    return {
        "output_gate": True,
        "recurrent_layers": kinds.count("linear_attention"),
        # Queries, keys and values; the output's gate; decay and beta; the output; the convolution.
        "recurrent_weights": hidden * (channels + values + 2 * heads + values) + channels * kernel,
        "state_values": heads * key * value + channels * (kernel - 1),
    }


def _any_size(vision: Mapping[str, Any], hidden: int, tokens_per_image: int) -> Tower:
    """The Qwen families' tower: patches and their grid, merged behind the last layer."""
    if vision.get("model_type") == GLM:
        return _glm(vision, tokens_per_image)
    # Qwen2-VL calls its width `embed_dim`; `hidden_size` is the language model's there.
    width = vision.get("embed_dim") or vision["hidden_size"]
    merged = width * vision["spatial_merge_size"] ** 2
    windows: dict[str, Any] = {}
    if "fullatt_block_indexes" in vision:
        window = (vision["window_size"] // vision["patch_size"]) ** 2
        windows = {"window": window, "full_layers": len(vision["fullatt_block_indexes"]), "gated_mlp": True}
    # A projector of the same size behind each deepstack layer.
    projectors = 1 + len(vision.get("deepstack_visual_indexes") or ())
    return Tower(
        layers=vision["depth"],
        hidden=width,
        intermediate=int(width * vision["mlp_ratio"] if "mlp_ratio" in vision else vision["intermediate_size"]),
        patch_values=vision.get("in_channels", 3) * vision["temporal_patch_size"] * vision["patch_size"] ** 2,
        patches_per_token=vision["spatial_merge_size"] ** 2,
        tokens_per_image=tokens_per_image,
        projector=((merged, merged), (merged, hidden)) * projectors,
        **windows,
    )


def _glm(vision: Mapping[str, Any], tokens_per_image: int) -> Tower:
    """GLM-4.xV's: the sizes of its blocks' MLP and of the gated one behind them have each other's names."""
    width, out, merge = vision["hidden_size"], vision["out_hidden_size"], vision["spatial_merge_size"] ** 2
    inner = vision["intermediate_size"]
    return Tower(
        layers=vision["depth"],
        hidden=width,
        intermediate=out,
        gated_mlp=True,
        patch_values=vision.get("in_channels", 3) * vision["temporal_patch_size"] * vision["patch_size"] ** 2,
        patches_per_token=merge,
        tokens_per_image=tokens_per_image,
        projector=((width * merge, out), (out, out), (out, inner), (out, inner), (inner, out)),
    )


def _square(vision: Mapping[str, Any], config: Mapping[str, Any], hidden: int) -> Tower:
    """A tower over square images of one size."""
    width = vision["hidden_size"]
    side, patch = (each if isinstance(each, int) else each[0] for each in (vision["image_size"], vision["patch_size"]))
    across = side // patch
    # 1. Patches to a token: shuffled into channels (`downsample_ratio` of InternVL, `scale_factor` of SmolVLM), pooled
    #    by a stride (LLaVA-NeXT-Video) or, where the config has an aspect rule (LLaVA-OneVision), by 2, or one.
    shuffle = config.get("scale_factor") or round(1 / config.get("downsample_ratio", 1))
    pool = config.get("spatial_pool_stride") or (2 if "vision_aspect_ratio" in config else 1)
    # 2. What pools rounds up (27 x 27 patches become 14 x 14 tokens, which is 3.7 to one, counted as 4).
    tokens = (across // shuffle) ** 2 if pool == 1 else (-(-across // pool)) ** 2
    # 3. One linear map behind SmolVLM's, two behind the others'.
    first = (width * shuffle**2, hidden)
    return Tower(
        layers=vision["num_hidden_layers"],
        hidden=width,
        intermediate=vision["intermediate_size"],
        patch_values=3 * patch**2,
        patches_per_token=(shuffle * pool) ** 2,
        tokens_per_image=tokens,
        class_tokens=1 if vision.get("model_type", CLIP) in WITH_CLASS_TOKEN else 0,
        projector=(first,) if "scale_factor" in config else (first, (hidden, hidden)),
    )


GLM = "glm4v_vision"
CLIP = "clip_vision_model"
WITH_CLASS_TOKEN = frozenset({CLIP, "internvl_vision"})
