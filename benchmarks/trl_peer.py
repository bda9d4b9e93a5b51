"""TRL's GRPOTrainer on the same model at equal tokens. TRL takes images, not video: each time patch is one image.

Needs TRL 1.16 and torchvision (for transformers' processors), neither of which the project depends on:

    python -m venv .venv-trl --system-site-packages && .venv-trl/bin/pip install 'trl==1.16.*' torchvision pillow

or, keeping them out of every environment, `pip install --no-deps --target DIR 'trl==1.16.*' datasets dill
multiprocess xxhash pyarrow pandas pytz tzdata six aiohttp torchvision pillow` and PYTHONPATH=DIR.

The mapping: T time patches of two frames each are T images (their first frames) of the same 64 vision tokens. Every
image brings two tokens that mark it, so the prompt has fewer other tokens and P is the same; the tower sees as many
patches. TRL scores the same G completions in duplicated rows, as it would train them.
"""

import tempfile
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models import SIDE, TOKENS_PER_PATCH, WORDS, prompt_tokens
from reeltune.models.policy import Policy
from reeltune.models.types import Completions


def load_trl() -> Any:
    """The trl module. Exits with the reason and the way to install it when it is not there."""
    try:
        import torchvision  # noqa: F401
        import trl
    except ImportError as error:
        raise SystemExit(f"left out: {error}. How to install TRL for this: see benchmarks/trl_peer.py") from error
    return trl


def make_processor(policy: Policy) -> Any:
    """Qwen2.5-VL's own processor around the benchmark's tokenizer; images keep their 224 x 224 pixels."""
    from transformers import Qwen2_5_VLProcessor, Qwen2VLImageProcessor, Qwen2VLVideoProcessor

    size = {"shortest_edge": SIDE * SIDE, "longest_edge": SIDE * SIDE}
    tokenizer = deepcopy(policy.tokenizer)
    tokenizer.padding_side = "left"
    return Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(patch_size=14, merge_size=2, temporal_patch_size=2, size=size),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(),
        chat_template=tokenizer.chat_template,
    )


def make_trainer(
    policy: Policy,
    rows: list[dict[str, Any]],
    reward: Any,
    *,
    group_size: int,
    tokens: int,
    folder: str,
    **options: Any,
) -> Any:
    """A GRPOTrainer on a copy of the model; plain float32 on the CPU, no checkpointing, no reference, like ours."""
    trl = load_trl()
    settings: dict[str, Any] = {
        "output_dir": folder, "use_cpu": policy.device.type == "cpu", "bf16": False, "gradient_checkpointing": False,
        "per_device_train_batch_size": group_size, "num_generations": group_size, "max_completion_length": tokens,
        "beta": 0.0, "temperature": 1.0, "report_to": [], "save_strategy": "no", "logging_strategy": "no",
        "disable_tqdm": True, "learning_rate": 1e-6,
        "generation_kwargs": {"min_new_tokens": tokens, "suppress_tokens": policy.banned.tolist()},
    }  # fmt: skip
    model = deepcopy(policy.model)
    model.model.language_model.config._attn_implementation = "sdpa"
    return trl.GRPOTrainer(
        model=model,
        reward_funcs=reward,
        args=trl.GRPOConfig(**settings | options),
        train_dataset=_dataset(rows),
        processing_class=make_processor(policy),
    )


def _dataset(rows: list[dict[str, Any]]) -> Any:
    """Built by hand with a fingerprint: datasets would pickle it for one, which fails beside new versions of arrow."""
    import pyarrow
    from datasets import Dataset, Features, Image, List, Value
    from datasets.table import InMemoryTable

    message = {"role": Value("string"), "content": Value("string")}
    features = Features({"prompt": List(message), "images": List(Image())})
    encoded = [features.encode_example(row) for row in rows]
    table = pyarrow.Table.from_pylist(encoded, schema=features.arrow_schema)
    return Dataset(InMemoryTable(table), fingerprint="benchmark")


class TRLPeer:
    """TRL's loss on given completions: forward and backward, nothing else of its step."""

    def __init__(self, policy: Policy, time_patches: int, completions: Completions, seed: int) -> None:
        from PIL import Image

        image = Image.fromarray(np.zeros((SIDE, SIDE, 3), dtype=np.uint8))
        row = {"prompt": [{"role": "user", "content": "?"}], "images": [image]}
        rows, width = completions.ids.shape
        self.folder = tempfile.TemporaryDirectory()
        self.trainer = make_trainer(
            policy,
            [row],
            lambda completions, **_: [0.0] * len(completions),
            group_size=rows,
            tokens=width,
            folder=self.folder.name,
        )
        self.trainer.current_gradient_accumulation_steps = 1
        self.inputs = make_inputs(policy, time_patches, completions, seed)

    def backward(self) -> Tensor:
        self.trainer.model.zero_grad(set_to_none=True)
        loss: Tensor = self.trainer._compute_loss(self.trainer.model, self.inputs)
        loss.backward()
        return loss.detach()

    def check(self) -> float:
        """Largest difference of TRL's log-probs from those of the stock model on the same images."""
        inputs = self.inputs
        ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], dim=1)
        width = inputs["completion_ids"].shape[1]
        extra = {name: inputs[name] for name in ("pixel_values", "image_grid_thw", "mm_token_type_ids")}
        mask = torch.ones_like(ids)
        with torch.no_grad():
            found, _, _ = self.trainer._get_per_token_logps_and_entropies(
                self.trainer.model, ids, mask, width, num_images=inputs["num_images"], **extra
            )
            logits = self.trainer.model(input_ids=ids, attention_mask=mask, **extra).logits[:, -width - 1 : -1]
        wanted = logits.log_softmax(-1).gather(-1, inputs["completion_ids"][..., None])[..., 0]
        difference = float((found - wanted).abs().max())
        if difference > 1e-4:
            raise SystemExit(f"TRL's log-probs differ from the stock model's by {difference:.2g}")
        return difference


def make_inputs(policy: Policy, time_patches: int, completions: Completions, seed: int) -> dict[str, Any]:
    """What GRPOTrainer hands to its loss: G rows, each with `time_patches` images."""
    rng = np.random.default_rng(seed)
    config = policy.model.config
    rows, width = completions.ids.shape
    pads = [config.image_token_id] * TOKENS_PER_PATCH
    images = [config.vision_start_token_id, *pads, config.vision_end_token_id] * time_patches
    others = rng.integers(*WORDS, max(prompt_tokens(time_patches) - len(images), 1)).tolist()
    prompt = torch.tensor([*images, *others]).expand(rows, -1)
    ids = torch.cat([prompt, completions.ids], dim=1)
    patches = torch.randn(time_patches * TOKENS_PER_PATCH * 4, 3 * 2 * 14 * 14)
    return {
        "prompt_ids": prompt,
        "prompt_mask": torch.ones_like(prompt),
        "completion_ids": completions.ids,
        "completion_mask": torch.ones_like(completions.ids),
        "advantages": torch.linspace(-1, 1, rows),
        "num_items_in_batch": torch.tensor(rows * width),
        "pixel_values": patches.repeat(rows, 1),
        "image_grid_thw": torch.tensor([[1, 16, 16]] * (time_patches * rows)),
        "num_images": [time_patches] * rows,
        "mm_token_type_ids": (ids == config.image_token_id).int(),
    }
