"""Models by name: a directory here, or a repository of the Hugging Face Hub, downloaded once into the hub's own cache.

The hub's client does all of it: HF_HOME says where, HF_TOKEN who, HF_HUB_OFFLINE=1 that no network is asked.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from reeltune.errors import InputError

HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
# Configuration, tokenizer, processor, weights; no pickles, no other frameworks' weights.
FILES = ["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"]


def is_hub_name(spec: str) -> bool:
    """Whether `spec` has the form of a hub's name, and no file or directory here has it."""
    return not Path(spec).exists() and HUB_NAME.fullmatch(spec.partition("@")[0]) is not None


def local_model(spec: str, *, weights: bool = True) -> Path:
    """The directory of a model: `spec` itself, or the hub's `owner/name`, at a revision with `owner/name@revision`.

    Without `weights` nothing but the small files is downloaded. A directory that exists goes before a name. Raises
    InputError where the hub has none, or cannot be asked.
    """
    return _download(spec, weights) if is_hub_name(spec) else Path(spec)


@cache  # one process asks the hub once
def _download(spec: str, weights: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name, _, revision = spec.partition("@")
    wanted = [each for each in FILES if weights or "safetensors" not in each]
    try:
        return Path(snapshot_download(name, revision=revision or None, allow_patterns=wanted))
    except GatedRepoError as error:
        raise InputError(
            f"{spec}: this model requires accepting its terms; accept them on its hub page, then run `hf auth "
            "login` or set HF_TOKEN"
        ) from error
    except LocalEntryNotFoundError as error:
        raise InputError(
            f"there is no directory {spec!r} here, it is not in the hub's cache, and the hub cannot be reached "
            "(offline, or no connection). Check the path, or download it on a machine with a network: hf download "
            f"{name}{f' --revision {revision}' if revision else ''}"
        ) from error
    except (HfHubHTTPError, HFValidationError) as error:
        raise InputError(
            f"there is no directory {spec!r} here, and the Hugging Face Hub has no model of that name and "
            f"revision: {str(error).strip().splitlines()[0]}. Check the spelling"
        ) from error


def revision_of(directory: Path) -> str | None:
    """The commit that a directory of the hub's cache holds; None for any other directory."""
    return directory.name if directory.parent.name == "snapshots" else None


def is_repository_name(name: str) -> bool:
    return HUB_NAME.fullmatch(name) is not None and not name.startswith(".")


def cached_name(directory: Path) -> tuple[str | None, str | None]:
    """The name and the commit of a directory of the hub's cache; (None, None) for any other directory."""
    kind, *parts = directory.parent.parent.name.split("--")
    commit = revision_of(directory)
    return ("/".join(parts), commit) if commit and kind == "models" and len(parts) == 2 else (None, None)


def model_files(directory: Path) -> list[Path]:
    """The files of a model's or an adapter's folder that belong on the hub."""
    return sorted({path for pattern in FILES for path in directory.glob(pattern) if path.is_file()})


def card_license(name: str | None, directory: Path | None, *, ask_hub: bool = True) -> str | None:
    """The license that a model's card states: in its directory, the hub's cache or, with `ask_hub`, on the hub."""
    from huggingface_hub import hf_hub_download, metadata_load
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError

    card = directory / "README.md" if directory else Path()
    if name and not card.is_file():
        try:
            card = Path(hf_hub_download(name, "README.md", local_files_only=not ask_hub))
        except (EntryNotFoundError, HfHubHTTPError):
            return None
    found: str | None = (metadata_load(card) or {}).get("license") if card.is_file() else None
    return found


def create_repository(name: str, files: Mapping[str, Path | bytes], *, private: bool, message: str) -> str:
    """One commit of `files` in the repository `name`, which is made where there is none; its address.

    InputError where the hub cannot be asked or refuses. Nothing half is published: a commit is whole or not at all.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled

    api = HfApi()
    try:
        api.create_repo(name, private=private, exist_ok=True)
        added = [CommitOperationAdd(each, file) for each, file in sorted(files.items())]
        return str(api.create_commit(name, added, commit_message=message).repo_url)
    except (OfflineModeIsEnabled, ConnectionError) as error:
        raise InputError(
            f"the hub cannot be reached ({str(error).splitlines()[0]}); write the folder with --output DIR and "
            f"upload it from a machine with a network: hf upload {name} DIR"
        ) from error
    except (HfHubHTTPError, LocalTokenNotFoundError) as error:
        raise InputError(
            f"the hub refused {name}: {str(error).strip().splitlines()[0]}. Sign in with a write token (`hf auth "
            "login`, or HF_TOKEN), and check the owner's name"
        ) from error
