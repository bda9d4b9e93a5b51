"""Shards put together: the parts must cover the pool once, each of them whole and all of one kind."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reeltune.errors import InputError
from reeltune.files import write_jsonl
from reeltune.media import rebase
from reeltune.sample import read_rows
from reeltune.selection.identity import Identity, claim, differences, read_identity
from reeltune.selection.stats import FILE, SampleStats, read_stats


def merge(directories: Sequence[Path], output: Path) -> list[SampleStats]:
    """Write OUTPUT/stats.jsonl, identity.json and quarantine.jsonl of all shards together.

    InputError for shards of different models, samplings or pools, for overlaps, gaps and unfinished shards.
    """
    if output.resolve() in {directory.resolve() for directory in directories}:
        raise InputError(f"-o {output}is one of the shards; give another directory")
    for directory in directories:
        if [each.resolve() for each in directories].count(directory.resolve()) > 1:
            raise InputError(f"--merge: {directory} is given twice; give every shard once")
    identities = {directory: read_identity(directory) for directory in directories}
    _check_parts(identities)
    rows: list[SampleStats] = []
    quarantined: list[dict[str, object]] = []
    for directory in _in_order(identities):
        own, broken = _read_shard(directory, identities[directory])
        rows += [row.model_copy(update={"sample": rebase(row.sample, directory, output)}) for row in own]
        quarantined += [row for row in broken if row not in quarantined]
    whole = replace(identities[directories[0]], start=0, stop=identities[directories[0]].pool_size)
    claim(output, whole)
    if quarantined:
        write_jsonl(output / "quarantine.jsonl", quarantined)
    write_jsonl(output / FILE, (row.model_dump() for row in rows))
    return rows


def _in_order(identities: dict[Path, Identity]) -> list[Path]:
    """By the samples they hold; an empty shard before the one that begins where it stands."""
    return sorted(identities, key=lambda each: (identities[each].start, identities[each].stop))


def _check_parts(identities: dict[Path, Identity]) -> None:
    first, *others = identities
    for directory in others:
        if lines := differences(identities[directory], identities[first]):
            raise InputError(f"--merge: {directory} and {first} do not match:\n  " + "\n  ".join(lines))
    end, last = 0, None
    for directory in _in_order(identities):
        part = identities[directory]
        if part.start > end:
            raise InputError(
                f"--merge: samples {end} to {part.start} of the pool are missing; add the shard that has them"
            )
        if part.start < end:
            raise InputError(f"--merge: {directory} and {last} overlap in samples {part.start} to {end}; leave one out")
        end, last = part.stop, directory
    size = identities[first].pool_size
    if end < size:
        raise InputError(f"--merge: samples {end} to {size} of the pool are missing; add the shard that has them")


def _read_shard(directory: Path, identity: Identity) -> tuple[list[SampleStats], list[dict[str, object]]]:
    rows = read_stats(directory / FILE)
    path = directory / "quarantine.jsonl"
    quarantined = [row for _, row in read_rows(path)] if path.exists() else []
    ids = {row.id for row in rows}
    broken = [row for row in quarantined if row["id"] not in ids]
    own = [row for row in broken if "line" not in row]  # a line that makes no sample is in no shard's part of the pool
    expected, found = identity.stop - identity.start, len(rows) + len(own)
    outside = [row.index for row in rows if not identity.start <= row.index < identity.stop]
    if found != expected or outside:
        raise InputError(
            f"--merge: {directory} holds {found} of its {expected} samples; run its command again to continue"
        )
    return rows, broken
