"""Routed models where only the real thing shows it: LLaVA-NeXT's tiles, and several processes in step."""

import gc
import sys
from pathlib import Path
from typing import Any

import torch
from tests.warm import reeltune

from reeltune.config.mixture_of_depths import MixtureOfDepthsConfig
from reeltune.models._transformers import CACHE
from reeltune.models.mixture_of_depths.install import install, routers
from reeltune.models.mixture_of_depths.schedule import layer_ratios

PAPER = MixtureOfDepthsConfig()
TEXT = {
    "model_type": "llama", "vocab_size": 110, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 6,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0,
}  # fmt: skip
VISION = {
    "model_type": "clip_vision_model", "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
    "num_attention_heads": 2, "image_size": 56, "patch_size": 14,
}  # fmt: skip


def test_llava_next_with_its_tiles_and_row_ends(plain: Any) -> None:
    from transformers import LlavaNextConfig, LlavaNextForConditionalGeneration

    torch.manual_seed(0)
    config = LlavaNextConfig(
        text_config=TEXT, vision_config=VISION, image_token_index=100, image_grid_pinpoints=[[56, 112]]
    )
    model = LlavaNextForConditionalGeneration(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(0, 1 if "embed" in name else parameter[0].numel() ** -0.5) if parameter.ndim > 1 else None
    install(model, PAPER)
    plain.randomise(model)
    tokens = 16 + 4 * (8 + 1)  # the whole image, then two tiles side by side with a token at each row's end
    batch = {
        "input_ids": torch.tensor([[5, 6, *[100] * tokens, 7, 8, 9]]),
        "attention_mask": torch.ones(1, tokens + 5, dtype=torch.long),
        "pixel_values": torch.randn(1, 3, 3, 56, 56),
        "image_sizes": torch.tensor([[56, 112]]),
    }
    with torch.no_grad():
        output = model(**batch, use_cache=True)
    [row] = plain.rows(model, batch)
    expected, kept = plain.forward(model, row, layer_ratios(PAPER, 6))
    assert float((output.logits[0] - expected).abs().max()) < 2e-5
    assert [layer.keys.shape[-2] for layer in getattr(output, CACHE).layers] == [len(each) for each in kept]


def train_two_steps(folder: str) -> None:
    """Process 0 has images, process 1 text alone; without find_unused_parameters a router left out would hang."""
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(
        LlavaConfig(text_config=TEXT, vision_config=VISION, image_token_index=100)
    ).train()
    install(model, PAPER)
    for part in (model.model.vision_tower, model.model.multi_modal_projector):
        part.requires_grad_(False)
    wrapped = torch.nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.1)
    ids = torch.tensor([[5, 6, *[100 if rank == 0 else 9] * 16, 7, 8]])
    images = {"pixel_values": torch.ones(1, 3, 56, 56)} if rank == 0 else {}
    for _ in range(2):
        wrapped(input_ids=ids, labels=ids.clamp(max=99), use_cache=False, **images).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    torch.save({layer: router.state_dict() for layer, router in routers(model).items()}, f"{folder}/{rank}.pt")
    # Were the reducer the last to hold the group, it would wait, with the interpreter's lock, for threads that want it.
    del wrapped
    gc.collect()
    torch.distributed.destroy_process_group()


def test_processes_with_and_without_images_stay_in_step(tmp_path: Path) -> None:
    done = reeltune(tmp_path, ranks=2, program=Path(__file__))
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert list(first) == [2, 3, 4, 5]
    for layer, state in first.items():
        assert torch.equal(state["weight"], second[layer]["weight"])
    assert any(bool(state["weight"].any()) for state in first.values())


if __name__ == "__main__":
    train_two_steps(sys.argv[1])
