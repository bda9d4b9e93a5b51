"""A video language model as the trainer and the rollout see it: prompts, features, one language model."""

from collections.abc import Callable, Iterator, Sequence
from copy import copy, deepcopy
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from reeltune.config.model import Part, TrainedPart
from reeltune.models._transformers import is_checkpointing
from reeltune.models.chat import max_positions, prompt_ids, render_prompt, text_ids
from reeltune.models.families.base import Family
from reeltune.models.families.patches import project_patches_by_matrix
from reeltune.models.mixture_of_depths.install import is_routed
from reeltune.models.shared_prefix import recurrent
from reeltune.models.shared_prefix.attention import SharedAttention, enable
from reeltune.models.shared_prefix.last_layer import narrow
from reeltune.models.types import Message, Prompt, VideoFeatures
from reeltune.models.weights import plain_weights
from reeltune.video.clip import Clip

T = TypeVar("T")
SIDE_FILES = (
    "preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json", "generation_config.json",
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "chat_template.jinja",
    "chat_template.json", "reeltune.json",
)  # fmt: skip
"""What a model directory holds beside weights, config.json and the vocabulary."""


class Policy(nn.Module):
    """A Hugging Face video language model with its tokenizer and its family's ways."""

    def __init__(self, model: nn.Module, tokenizer: Any, family: Family, source: Path) -> None:
        super().__init__()
        self.source = source
        # Held, not copied from `source` later: that may be a checkpoint which is pruned while its run goes on.
        names = {*SIDE_FILES, *getattr(tokenizer, "vocab_files_names", {}).values()}
        self.side_files = {name: (source / name).read_bytes() for name in sorted(names) if (source / name).is_file()}
        self.model: Any = model
        self.tokenizer = tokenizer
        self.family = family
        self.register_buffer("banned", _banned(self.head, tokenizer, family), persistent=False)
        self.banned: Tensor
        self.stop_ids = _stop_ids(model, tokenizer)
        enable(self.language_model)
        recurrent.enable(self.language_model)
        # Deepstack adds vision features to what a layer leaves: such a layer must leave every token. The loss that
        # balances experts, where it is asked for, counts every token in every layer.
        balanced = bool(getattr(self.text_config, "output_router_logits", False))
        if family.deepstack_layers < len(self.language_model.layers) and not balanced:
            narrow(self.language_model)
        project_patches_by_matrix(self.vision_tower)

    def forward(self, compute: "Callable[[Policy], T]") -> T:
        """`compute(self)` as one forward pass: what spreads this module over processes gathers its weights for it."""
        return compute(self)

    @property
    def device(self) -> torch.device:
        return self.banned.device

    @property
    def language_model(self) -> Any:
        return self.family.language_model(self.model)

    @property
    def head(self) -> nn.Module:
        return self.family.head(self.model)

    @property
    def config(self) -> Any:
        return self.model.config

    @property
    def text_config(self) -> Any:
        return self.config.get_text_config()

    @property
    def max_positions(self) -> int | None:
        return max_positions(self.config)

    @property
    def gradient_checkpointing(self) -> bool:
        return is_checkpointing(self.model) and self.training

    @property
    def vision_tower(self) -> nn.Module:
        return self.family.vision_modules(self.model)[0]

    @property
    def vision_frozen(self) -> bool:
        modules = self.family.vision_modules(self.model)
        return not any(parameter.requires_grad for module in modules for parameter in module.parameters())

    def freeze_vision(self, *, projector: bool = True) -> None:
        """Freeze the tower, and the projector too unless it is to train."""
        self.freeze(("vision", "projector") if projector else ("vision",))

    def freeze(self, parts: Sequence[Part]) -> None:
        """Let these parts of the model not train, and all others."""
        self.requires_grad_("language" not in parts)
        for module in self.family.vision_modules(self.model):
            module.requires_grad_("vision" not in parts)
        for module in self.family.projector(self.model):
            module.requires_grad_("projector" not in parts)

    def trained(self) -> list[tuple[str, nn.Parameter, TrainedPart]]:
        """Every parameter that trains, with its name and the part of the model that it belongs to."""
        projector = {id(each) for module in self.family.projector(self.model) for each in module.parameters()}
        tower = {id(each) for module in self.family.vision_modules(self.model) for each in module.parameters()}

        def part(name: str, parameter: nn.Parameter) -> TrainedPart:
            if ".lora_" in name:
                return "adapter"
            if ".router." in name:
                return "routers"
            return "projector" if id(parameter) in projector else "vision" if id(parameter) in tower else "language"

        return [(name, each, part(name, each)) for name, each in self.named_parameters() if each.requires_grad]

    def embed(self, ids: Tensor) -> Tensor:
        embeddings: Tensor = self.model.get_input_embeddings()(ids)
        return embeddings

    def embed_with_video(
        self, ids: Tensor, is_prompt: Tensor, features: list[VideoFeatures], *, samples: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Any]]:
        """Token embeddings [rows, L, H] with the features of videos and images in place of their placeholders.

        `is_prompt` [rows, L] limits placeholders to prompts; `features` come in the order of the prompts. Also
        returns the extra arguments the family's language model needs. A routed model keeps vision tokens per
        sample: `samples` [rows, L] numbers them where a row holds several prompts, else each row is one.
        """
        embeds = self.embed(ids)
        is_vision = self.family.is_vision(ids) & is_prompt
        tokens = torch.cat([each.tokens for each in features]).to(embeds.device, embeds.dtype)
        if int(is_vision.sum()) != len(tokens):
            raise ValueError(f"{int(is_vision.sum())} placeholders for {len(tokens)} vision tokens")
        embeds = embeds.masked_scatter(is_vision[..., None], tokens)
        extra = self.family.language_inputs(is_vision, features)
        if is_routed(self.model):
            rows = torch.arange(len(ids), device=ids.device)[:, None].expand_as(ids)
            extra["vision_samples"] = torch.where(is_vision, rows if samples is None else samples, -1)
        return embeds, extra

    def decode(self, tokens: Tensor, positions: Tensor, shared: SharedAttention) -> Tensor:
        """Hidden states [R, H] of one further token [R] per row at `positions` [R], over the keys `shared` holds."""
        ids = tokens[:, None]
        return self.hidden(self.embed(ids), positions[None, :, None].expand(3, -1, -1), shared, self.text_only(ids))[
            :, -1
        ]

    def hidden(self, embeds: Tensor, positions: Tensor, shared: SharedAttention, extra: dict[str, Any]) -> Tensor:
        """Hidden states [R, L, H] of embedded tokens [R, L, H] at M-RoPE `positions` [3, R, L]."""
        hidden: Tensor = self.language_model(
            inputs_embeds=embeds,
            attention_mask=self._no_mask(embeds),
            position_ids=self.family.language_positions(positions),
            use_cache=False,
            shared=shared,
            **extra,
        ).last_hidden_state
        return hidden

    def _no_mask(self, embeds: Tensor) -> Tensor:
        """A mask for which no mask is built; without any, a Llama would read rows of their own into the positions.

        All ones is found out by looking at its values. While tokens are decoded one by one on a GPU that is a wait at
        each, and for sliding windows a mask of the whole row squared is built; a mask of four dimensions is handed on
        unread, and `shared` attends without it.
        """
        windowed = getattr(self.text_config, "sliding_window", None) is not None
        if (embeds.shape[1] == 1 or windowed) and not is_routed(self.model):
            return embeds.new_zeros(1, 1, 1, 1)
        return torch.ones(embeds.shape[:2], dtype=torch.long, device=embeds.device)

    def text_only(self, ids: Tensor) -> dict[str, Any]:
        """The extra arguments of the language model for tokens [R, L] none of which is a video's."""
        return {"vision_samples": torch.full_like(ids, -1)} if is_routed(self.model) else {}

    def prompt(self, text: str, media: Clip | Sequence[Clip] = (), *, system: str | None = None) -> Prompt:
        """Tokenize one user turn: the videos and images, then `text`."""
        shown = (media,) if isinstance(media, Clip) else tuple(media)
        before = [Message("system", system)] if system else []
        return self.chat([*before, Message("user", text, shown)])

    def chat(self, messages: Sequence[Message]) -> Prompt:
        """Tokenize a conversation whose next turn is the model's."""
        rendered = render_prompt(self.tokenizer, self.family, messages)
        ids = torch.tensor(prompt_ids(self.tokenizer, self.family, rendered), dtype=torch.long)
        return Prompt(ids, self.family.position_ids(ids, rendered.media), rendered.media, rendered.shown)

    def encode(self, clips: Sequence[Clip]) -> list[VideoFeatures]:
        """Run the vision tower; with gradient where grad mode and the tower's parameters ask for it."""
        return self.family.encode(self.model, clips)

    def no_features(self) -> VideoFeatures:
        """What the tower says of no media: no tokens. In the tower's graph where it trains, so that every process and
        every pass goes through it."""
        if self.vision_frozen:
            nothing = torch.zeros(0, self.text_config.hidden_size, device=self.device)
            return VideoFeatures(nothing, (nothing,) * self.family.deepstack_layers)
        return self.encode([self.family.smallest_clip()])[0].empty()

    def tokenize_answer(self, text: str) -> list[int]:
        """The tokens of a gold completion, with its end token; what looks like a special token in it is text."""
        return [*text_ids(self.tokenizer, self.family, text), self.tokenizer.eos_token_id]

    def named_weights(self) -> Iterator[tuple[str, Tensor]]:
        """(name, tensor) of the plain model, an adapter merged in and parts of other processes gathered, one by one."""
        return ((f"model.{name}", tensor) for name, tensor in plain_weights(self.model))

    def save(self, directory: Path, *, write: bool = True) -> None:
        """Write a plain Hugging Face directory that `from_pretrained` opens, an adapter merged in.

        With sharded weights every process calls it, and one of them writes.
        """
        weights = self.collect(keep=write)
        if write:
            self.write(directory, weights)

    def collect(self, *, keep: bool = True, apart: bool = False) -> dict[str, Tensor]:
        """All weights by their plain names, on the host, one gathered after the other; {} without `keep`.

        `apart`: from the model's own memory, so that they stay what they are while it trains.
        """
        weights = {}
        for name, tensor in plain_weights(self.model):
            if keep:
                weights[name] = tensor.to("cpu", copy=apart)
        return weights

    def write(self, directory: Path, weights: dict[str, Tensor]) -> None:
        """`save`, with the weights that `collect` gave; also in a thread of its own, while the model trains."""
        model = copy(self.model)
        model.config = deepcopy(model.config)
        if "generation_config.json" in self.side_files:
            # Its own file is written below, as it was: releases before 5.24 refuse to write some that they read.
            model.generation_config = type(model.generation_config)()
        model.save_pretrained(directory, state_dict=weights)
        # Transformers wrote the dtype that the model's own weights have now: in a pass of a sharded one another.
        dtype = next(each.dtype for each in weights.values() if each.is_floating_point())
        model.config.dtype = str(dtype).removeprefix("torch.")
        model.config.save_pretrained(directory)
        self.save_processor(directory)

    def save_processor(self, directory: Path) -> None:
        """Write what turns videos and texts into a model's inputs and its outputs into text: all but the weights.

        Files that the model was opened with come out byte for byte, however often it is saved and opened again.
        """
        self.tokenizer.save_pretrained(directory)
        for name, content in self.side_files.items():
            (directory / name).write_bytes(content)


def _banned(head: Any, tokenizer: Any, family: Family) -> Tensor:
    """Ids that have probability 0: vision tokens, and rows of the head that are no token.

    A sampled video placeholder would be taken for a video in the update. Heads are padded to round sizes: a row past
    the tokenizer was never trained and decodes to nothing.
    """
    vocabulary = tokenizer.get_vocab()
    vision = {vocabulary[name] for name in family.vision_tokens if name in vocabulary} | {family.placeholder_id}
    no_tokens = set(range(head.weight.shape[0])) - set(vocabulary.values())
    return torch.tensor(sorted(vision | no_tokens), dtype=torch.long)


def _stop_ids(model: Any, tokenizer: Any) -> tuple[int, ...]:
    declared = model.generation_config.eos_token_id
    ids = declared if isinstance(declared, list) else [declared]
    return tuple(sorted({token for token in [*ids, tokenizer.eos_token_id] if token is not None}))
