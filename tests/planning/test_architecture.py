"""A plan reads any config by its form: each family's tower, also one of one's own, has the real class's sizes."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.models.families.generated import build

from reeltune.errors import InputError
from reeltune.models.families import FAMILIES
from reeltune.planning.architecture import read_architecture

OWN = f"{Path(__file__).parents[2] / 'examples' / 'own_family.py'}:LlavaNextVideo"
KINDS = {name: name for name in FAMILIES} | {"llava_next_video": OWN}
# What no vision token passes: positions, the class token, the pooling head that SigLIP has for classification.
NOT_PASSED = re.compile(r"pos|cls_token|^head\.")


@pytest.mark.parametrize(("kind", "name"), KINDS.items(), ids=list(KINDS))
def test_a_tower_has_the_matrices_of_its_real_class(kind: str, name: str, tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText

    build(tmp_path, kind, FAMILIES.get(name))
    found = read_architecture(json.loads((tmp_path / "config.json").read_text()), "here", tokens_per_image=16)
    model: Any = AutoModelForImageTextToText.from_pretrained(tmp_path)
    family = FAMILIES.get(name)(model.config, {})
    matrices = sum(
        weight.numel()
        for module in family.vision_modules(model)
        for part, weight in module.named_parameters()
        if weight.ndim > 1 and not NOT_PASSED.search(part)
    )
    assert matrices and found.vision is not None and found.vision.weights == matrices
    assert found.vision.tokens_per_image == getattr(family, "frame_tokens", 16)


def test_a_config_of_another_form_says_what_it_lacks() -> None:
    with pytest.raises(InputError, match=r"here: .* 'bert' without the key 'vision_config'.*plan file"):
        read_architecture({"model_type": "bert"}, "here")
