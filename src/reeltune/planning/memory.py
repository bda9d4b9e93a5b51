"""What a step holds on one device, and what it computes and sends, from plain sizes: no recipe, no tensor."""

from dataclasses import dataclass

from reeltune.planning.activations import Pass, Precision, activation_bytes
from reeltune.planning.architecture import Architecture
from reeltune.planning.costs import PromptCost, attention_flops

NF4_BYTES = 0.52
"""Of one weight in 4 bits, its share of the scales included (QLoRA with double quantization)."""


@dataclass(frozen=True)
class Setting:
    """How a recipe trains, as numbers. `shards`: processes that share weights, gradients and moments."""

    samples: bool
    """Whether a step samples completions."""
    devices: int
    groups: int
    """Of a step, over all devices."""
    group_size: int
    max_new_tokens: int
    train_tokens: int
    rollout_tokens: int
    weight_bytes: int
    """4: float32 weights; 2: bfloat16."""
    precision: Precision
    checkpointing: bool
    tower_trains: bool
    trained: int
    """Weights that have a gradient."""
    reference: bool
    rank: int = 0
    """0: no adapter."""
    adapter_weights: int = 0
    quantized: bool = False
    shards: int = 1
    gathered_bytes: int = 4
    """Of one weight where sharded ones are gathered."""
    whole: int = 0
    """Weights that stay whole on every device under sharding: a frozen tower's."""
    offload: bool = False
    """Moments and weights of the shards wait in the host's memory."""
    moment_bytes: int = 8
    """Of one trained weight: 8 for AdamW, 2 for its 8-bit form."""
    rollout_elsewhere: bool = False
    """Another process samples: no prompt cache here."""
    updates: int = 1
    qk_norm: bool = False


@dataclass(frozen=True)
class Memory:
    """Bytes on one device."""

    weights: int
    gradients: int
    moments: int
    reference: int
    adapter: int
    gathered: int
    """Copies in the precision of the passes: of all weights under autocast, of two layers where they are sharded."""
    whole_weights: int
    """Gathered while completions are sampled, where weights are sharded."""
    prompt_cache: int
    activations: int

    @property
    def standing(self) -> int:
        """There all the time; gradients from the first update on."""
        return self.weights + self.gradients + self.moments + self.reference + self.adapter

    @property
    def peak(self) -> int:
        """Rollout and update take turns."""
        return self.standing + max(self.whole_weights + self.prompt_cache, self.gathered + self.activations)


def memory(architecture: Architecture, prompt: PromptCost, setting: Setting) -> Memory:
    """Bytes on one device. Upper bounds: every video the longest, every completion whole."""
    # 1. Weights as they are kept between the passes: the base's, in 4 bits where quantized, shared out where sharded.
    decoder = architecture.decoder
    whole, shards = architecture.weights, setting.shards
    trained = setting.adapter_weights if setting.rank else setting.trained
    linear = decoder.layers * decoder.layer_weights
    base = float(whole * setting.weight_bytes)
    if setting.quantized:
        base = linear * NF4_BYTES + (whole - linear) * setting.weight_bytes
    at_home = 0 if setting.offload else 1  # what waits in the host's memory
    here = (base - setting.whole * setting.weight_bytes) / shards * (at_home if shards > 1 else 1)
    weights = int(here + setting.whole * setting.weight_bytes)
    sharded = shards > 1 and setting.samples and not setting.rollout_elsewhere
    # 2. The passes' own copies of weights. Sharded: two layers are there at a time (the next is sent while one
    #    computes), and the embedding tables. Else: autocast keeps those of weights that train until the step's end.
    gathered = 0
    if shards > 1:
        tables = decoder.head_weights * (1 if decoder.tied else 2)
        gathered = (2 * decoder.layer_weights + tables) * setting.gathered_bytes
    elif setting.precision == "autocast":
        gathered = 2 * trained
    # 3. Bytes of a weight that trains: float32, also of an adapter over a bfloat16 base.
    value = 4 if setting.rank else setting.weight_bytes
    return Memory(
        weights=weights,
        gradients=int(trained * value / shards),
        moments=int(trained * setting.moment_bytes * (value / 4 if setting.moment_bytes == 8 else 1) / shards)
        * at_home,
        reference=int(base / shards) if setting.reference and not setting.rank else 0,
        adapter=int(setting.adapter_weights * 4 / shards) if setting.rank else 0,
        gathered=gathered,
        whole_weights=(whole - setting.whole) * setting.gathered_bytes if sharded else 0,
        prompt_cache=_prompt_cache(architecture, prompt, setting),
        activations=_activations(architecture, prompt, setting),
    )


def _prompt_cache(architecture: Architecture, prompt: PromptCost, setting: Setting) -> int:
    if not setting.samples or setting.rollout_elsewhere:
        return 0
    decoder, completions = architecture.decoder, setting.group_size * setting.max_new_tokens
    tokens = prompt.text_tokens + prompt.vision_tokens
    at_once = _at_once(setting, setting.rollout_tokens // (tokens + completions))
    value = 4 if setting.precision == "float32" else 2
    kept = sum(layer.cached_tokens for layer in prompt.layers)
    kept += setting.group_size * decoder.kept_tokens(setting.max_new_tokens)
    # Of one layer the pass holds queries, keys, values and the MLP beside the cache.
    working = tokens * (4 * decoder.hidden + 3 * decoder.intermediate) * value
    return at_once * (kept * decoder.cache_values * value + working)


def _activations(architecture: Architecture, prompt: PromptCost, setting: Setting) -> int:
    tokens, completions = prompt.text_tokens + prompt.vision_tokens, setting.group_size * setting.max_new_tokens
    at_once = _at_once(setting, setting.train_tokens // (tokens + completions))
    work = Pass(at_once, tokens, at_once * completions, prompt.vision_tokens, at_once * setting.group_size)
    return activation_bytes(
        architecture,
        work,
        setting.precision,
        checkpointing=setting.checkpointing,
        tower_trains=setting.tower_trains,
        qk_norm=setting.qk_norm,
        adapter=setting.rank > 0,
    )


def _at_once(setting: Setting, fit: int) -> int:
    """Groups of one pass on one device."""
    return max(1, min(-(-setting.groups // setting.devices), fit))


@dataclass(frozen=True)
class Work:
    """Of one step, over all devices."""

    flops: int
    """Multiplications and additions of all passes; decoding apart."""
    decode_bytes: int
    """What decoding reads of memory, weights once a token and batch: its limit is the bandwidth."""
    sent_bytes: int
    """Sent by each device: gradients, and under sharding the weights, forward and backward."""


def work(architecture: Architecture, prompt: PromptCost, setting: Setting) -> Work:
    """A lower bound of the time's numerators: a tower is computed once for rollout and update where it is frozen."""
    decoder, grpo = architecture.decoder, setting.samples
    # 1. Forward of one group: the prompt once, then every completion over it and over itself. A multiplication and an
    #    addition for each weight of the decoder and token: 2.
    completions = setting.group_size * setting.max_new_tokens
    tokens = prompt.text_tokens + prompt.vision_tokens
    token_flops = 2 * (decoder.layers * decoder.layer_weights + decoder.head_weights)
    width, length = decoder.heads * decoder.head_dim, setting.max_new_tokens
    over_prompt = 4 * width * completions * decoder.kept_tokens(tokens)
    own = sum(attention_flops(width, length, decoder.window_of(layer)) for layer in range(decoder.layers))
    answers = completions * token_flops + over_prompt + setting.group_size * own
    language = prompt.run_flops - prompt.vision_flops
    forward = language + answers
    # 2. The update. Backward twice the forward; frozen weights need no gradient of theirs, half of that.
    share = 1.0 if setting.rank else 2.0
    update = forward * (1 + share + (1 if setting.checkpointing else 0)) * setting.updates
    tower = prompt.vision_flops * (
        (4 if setting.checkpointing else 3) * setting.updates + 1 if setting.tower_trains else 1
    )
    rollout = language if grpo and not setting.rollout_elsewhere else 0
    per_group = rollout + update + (forward if setting.reference else 0) + tower
    # 3. Decoding is bound by memory: each token reads all weights once a batch, and of its group the prompt's cache and
    #    on average half of the completions'.
    decode = 0
    if grpo:
        fit = setting.rollout_tokens // (tokens + completions)
        on_device = -(-setting.groups // setting.devices)
        batches = -(-on_device // max(1, min(on_device, fit))) * setting.devices
        read = architecture.weights * (setting.weight_bytes if not setting.quantized else NF4_BYTES)
        held = decoder.kept_tokens(tokens) + setting.group_size * decoder.kept_tokens(length) / 2
        cache = decoder.cache_values * 2 * held
        decode = int(setting.max_new_tokens * (batches * read + setting.groups * cache))
    return Work(int(setting.groups * per_group), decode, _sent(architecture, setting))


def _sent(architecture: Architecture, setting: Setting) -> int:
    if setting.devices == 1:
        return 0
    trained = setting.adapter_weights if setting.rank else setting.trained
    if setting.shards == 1:  # gradients all together, twice around the ring
        return 2 * trained * (4 if setting.rank else setting.weight_bytes)
    passes = 3 if setting.checkpointing else 2
    return architecture.weights * 2 * (passes + (1 if setting.reference else 0)) + trained * 4


def lora_weights(architecture: Architecture, rank: int, *, vision: bool = False) -> int:
    """Weights of an adapter on every linear layer of the decoder, and of the tower's blocks with `vision`."""
    decoder, tower = architecture.decoder, architecture.vision
    query, keys = decoder.heads * decoder.head_dim, decoder.kv_heads * decoder.head_dim
    attention = 2 * (decoder.hidden + query) + 2 * (decoder.hidden + keys)
    total = decoder.layers * rank * (attention + 3 * (decoder.hidden + decoder.intermediate))
    if vision and tower:
        mlp = (3 if tower.gated_mlp else 2) * (tower.hidden + tower.intermediate)
        total += tower.layers * rank * (4 * tower.hidden + 2 * tower.hidden + mlp)
    return total
