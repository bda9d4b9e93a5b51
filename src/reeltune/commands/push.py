"""`reeltune push RUN OWNER/NAME`: a model and its card on the hub. Imports nothing heavy before it runs."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reeltune.report.run_files import RunFiles


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Upload a trained model, or an adapter, to the Hugging Face Hub with a model card: results, recipe, data, "
        "license, how to use it. A new repository is private. Optimizer state, samples and rollouts stay here."
    )
    parser.add_argument(
        "source",
        type=Path,
        metavar="RUN|CHECKPOINT|FOLDER",
        help="a run (its newest intact checkpoint), a checkpoint, or the folder of a model or adapter",
    )
    parser.add_argument("repo", metavar="OWNER/NAME", help="repository on the Hugging Face Hub")
    parser.add_argument("--merged", action="store_true", help="for a run with an adapter: upload the merged model")
    parser.add_argument(
        "--run", type=Path, dest="of", help="the run that FOLDER came from, for the card (after reeltune merge)"
    )
    parser.add_argument("--base", metavar="OWNER/NAME", help="the base model's name on the hub, if it is not known")
    parser.add_argument(
        "--license", metavar="ID", help="hub identifier of the license, such as apache-2.0 (default: the base model's)"
    )
    parser.add_argument(
        "--dataset",
        action="append",
        default=[],
        metavar="OWNER/NAME",
        help="a dataset on the hub that the model was trained on",
    )
    parser.add_argument("--public", action="store_true", help="make a new repository public")
    parser.add_argument("--dry-run", action="store_true", help="print the card and the file names, upload nothing")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="write the folder instead of uploading it")


def run(args: argparse.Namespace) -> int:
    import shutil

    from reeltune.errors import InputError
    from reeltune.files import whole_folder
    from reeltune.hub import create_repository, is_repository_name

    if not is_repository_name(args.repo):
        raise InputError(f"{args.repo!r} is not the name of a repository on the hub; it must look like owner/name")
    if args.output and args.output.exists():
        raise InputError(f"-o {args.output} already exists; give the name of a new folder")
    files = collect(args)
    if args.dry_run:
        print(files["README.md"].decode())  # type: ignore[union-attr]
        print("\n".join(f"{name}  {_size(each):,} bytes" for name, each in sorted(files.items())))
    elif args.output:
        with whole_folder(args.output) as folder:
            for name, each in files.items():
                if isinstance(each, bytes):
                    (folder / name).write_bytes(each)
                else:
                    shutil.copyfile(each, folder / name)
        print(args.output)
    else:
        print(create_repository(args.repo, files, private=not args.public, message=f"{args.source.name}, by reeltune"))
    return 0


@dataclass(frozen=True)
class Found:
    """What is published: the folder of the weights, and the run it is of, at which step."""

    folder: Path
    run: "RunFiles | None"
    step: int | None


def collect(args: argparse.Namespace) -> dict[str, Path | bytes]:
    """Name in the repository -> file, or its bytes. InputError for what cannot be published as it is."""
    import json
    import sys

    from reeltune.config.answering import FILE
    from reeltune.hub import model_files
    from reeltune.models.adapter_folder import OURS
    from reeltune.models.loading import ADAPTER_SETTINGS, is_adapter
    from reeltune.models.mixture_of_depths.install import CONFIG_KEY
    from reeltune.report.card import Published, model_card, portable_recipe

    found = _find(args.source, args.of, merged=args.merged)
    adapter = is_adapter(found.folder)
    base, revision = _base(args.base, found)
    if adapter and base is None:
        from reeltune.errors import InputError

        raise InputError(
            f"{found.folder}: the base of this adapter is a folder on this machine; give its name on the hub with "
            "--base OWNER/NAME, or push the merged model (--merged)"
        )
    files: dict[str, Path | bytes] = {path.name: path for path in model_files(found.folder)}
    if adapter:
        settings = json.loads((found.folder / ADAPTER_SETTINGS).read_text(encoding="utf-8"))
        settings |= {"base_model_name_or_path": base, "revision": revision}
        files[ADAPTER_SETTINGS] = (json.dumps(settings, indent=2) + "\n").encode()
    ours = found.folder / (OURS if adapter else "config.json")
    routed = ours.is_file() and bool(json.loads(ours.read_text(encoding="utf-8")).get(CONFIG_KEY))
    license_ = args.license or _license_of(found, base, ask_hub=not (args.dry_run or args.output))
    if license_ is None:
        print("reeltune: the base model's license is not known; set it with --license ID", file=sys.stderr)
    published = Published(args.repo, adapter, base, license_, found.step, routed, tuple(args.dataset))
    asked: Mapping[str, Any] = json.loads((found.folder / FILE).read_bytes()) if FILE in files else {}
    files["README.md"] = str(model_card(published, found.run, asked)).encode()
    if found.run and found.run.config:
        files["recipe.yaml"] = portable_recipe(found.run.config).encode()
    return files


def _find(source: Path, run: Path | None, *, merged: bool) -> Found:
    from reeltune.errors import InputError
    from reeltune.report.run_files import is_run, read_run
    from reeltune.training.checkpoint import ADAPTER, MODEL, checkpoint_step, newest_whole
    from reeltune.training.manifest import find_damage

    checkpoint: Path | None = source
    if is_run(source):
        checkpoint, damages = newest_whole(source / "checkpoints", run=None)
        if checkpoint is None:
            raise InputError(f"{source} has no checkpoint yet")
        if damages:
            raise InputError(
                f"the newest checkpoint is damaged: {damages[0]}; to publish an older one, give its folder"
            )
    elif source.name in (MODEL, ADAPTER) and (source.parent / "state.json").is_file():
        checkpoint, merged = source.parent, source.name == MODEL
    elif not (source / "state.json").is_file():
        checkpoint = None
    if checkpoint is None:
        if not (source / "config.json").is_file() and not (source / "adapter_config.json").is_file():
            raise InputError(f"{source}: not a run, a checkpoint, or the folder of a model or adapter")
        return Found(source, read_run(run) if run else None, None)
    step = checkpoint_step(checkpoint)
    if damage := find_damage(checkpoint, step=step, run=None):
        raise InputError(f"{checkpoint} was not published: {damage}")
    whole, small = checkpoint / MODEL, checkpoint / ADAPTER
    folder = small if small.is_dir() and not merged else whole
    if not folder.is_dir():
        raise InputError(
            f"{checkpoint} contains only the adapter; merge it first (reeltune merge {small} -o DIR), then "
            f"reeltune push DIR OWNER/NAME --run {checkpoint.parent.parent}"
        )
    own = run or checkpoint.parent.parent
    return Found(folder, read_run(own) if is_run(own) else None, step)


def _base(given: str | None, found: Found) -> tuple[str | None, str | None]:
    """The base model's name on the hub and its commit, as far as they are known."""
    from reeltune.hub import cached_name, is_repository_name
    from reeltune.models.loading import base_directory, is_adapter

    if given:
        name, _, revision = given.partition("@")
        return name, revision or None
    environment = found.run.environment if found.run else {}
    trained_from, _, _ = str(environment.get("model") or "").partition("@")
    if environment.get("model_revision") and is_repository_name(trained_from):
        return trained_from, environment["model_revision"]
    return cached_name(base_directory(found.folder)) if is_adapter(found.folder) else (None, None)


def _license_of(found: Found, base: str | None, *, ask_hub: bool) -> str | None:
    """As the base model's own card states it."""
    from reeltune.hub import card_license

    trained_from = str((found.run.environment if found.run else {}).get("model") or "")
    return card_license(base, Path(trained_from) if trained_from else None, ask_hub=ask_hub)


def _size(each: Path | bytes) -> int:
    return len(each) if isinstance(each, bytes) else each.stat().st_size
