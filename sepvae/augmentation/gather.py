"""The end of a run: records and failures of all journals in one order, manifests, and what made them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from sepvae.augmentation.config import AugmentConfig
from sepvae.augmentation.journal import parse_line, scan_lines
from sepvae.augmentation.ledger import Place, outcomes
from sepvae.augmentation.manifests.kaldi import write_kaldi
from sepvae.augmentation.manifests.lhotse import write_lhotse
from sepvae.augmentation.manifests.speechbrain import write_speechbrain
from sepvae.augmentation.pipeline import fingerprint
from sepvae.augmentation.plan import Plan
from sepvae.augmentation.records import Record
from sepvae.errors import ConfigError
from sepvae.files import hash_file, read_json, write_json, write_jsonl

# `FINAL` is written last: where it is, everything else is.
FINAL = "augmented.json"
RECORDS, FAILURES = "records.jsonl", "failures.jsonl"
_DATA = ("audio", "features", "archives", "shar")
KEPT = (*_DATA, RECORDS, FAILURES, "kaldi", "lhotse", "speechbrain")


def is_complete(folder: Path, mark: str) -> bool:
    """Whether the folder holds a whole run with this fingerprint; ConfigError when it holds another one."""
    if not (folder / FINAL).is_file():
        return False
    if read_json(folder / FINAL).get("fingerprint") != mark:
        raise ConfigError(f"{folder}: holds a run with other settings: choose another folder, or pass --overwrite")
    return True


def gather(
    folder: Path,
    plan: Plan,
    config: AugmentConfig,
    *,
    model_hash: str | None,
    finished: Mapping[int, Place],
    paths: str,
) -> None:
    """Write records, failures and manifests in the order of the plan, one block at a time in memory."""
    counts = {"n_records": 0, "n_failures": len(plan.failures)}
    seconds = 0.0

    def lines() -> Iterator[dict[str, Any]]:
        nonlocal seconds
        for outcome in outcomes(finished):
            for record in outcome["records"]:
                counts["n_records"] += 1
                seconds += record["n_samples"] / record["sample_rate"]
                yield record

    def failures() -> Iterator[dict[str, Any]]:
        yield from (asdict(failure) for failure in plan.failures)
        for outcome in outcomes(finished):
            counts["n_failures"] += len(outcome["failures"])
            yield from outcome["failures"]

    write_jsonl(folder / RECORDS, lines())
    write_jsonl(folder / FAILURES, failures())
    write_manifests(folder, config, paths=paths)
    sweep(folder)
    write_json(
        folder / FINAL,
        {
            "config": config.resolved(),
            "fingerprint": fingerprint(config, model_hash),
            "corpus_hash": plan.corpus_hash,
            "sample_rate": plan.sample_rate,
            "model": model_hash,
            "duration_s": round(seconds, 3),
            "records_sha256": hash_file(folder / RECORDS),
            "sepvae": metadata.version("sepvae"),
            **counts,
        },
    )


def read_records(folder: Path) -> Iterator[Record]:
    """Yield the records of a finished run."""
    for _, line in scan_lines(folder / RECORDS):
        yield Record.from_json(parse_line(line, folder / RECORDS))


def write_manifests(folder: Path, config: AugmentConfig, *, paths: str) -> None:
    """Write the manifests that the format allows: archives are their own, and features are no recordings.

    Args:
        folder: of a run whose records are written.
        config: of that run.
        paths: `relative` to the folder, or `absolute`.
    """

    def place(path: str) -> str:
        return str((folder / path).resolve()) if paths == "absolute" else path

    def below_root(path: str) -> str:
        return place(path) if paths == "absolute" else f"$data_root/{path}"

    kind = config.output.format
    write_kaldi(folder / "kaldi", lambda: read_records(folder), place)
    if kind in ("wav", "flac"):
        write_lhotse(folder / "lhotse", lambda: read_records(folder), place)
    if kind in ("wav", "flac", "npy"):
        write_speechbrain(folder / "speechbrain", lambda: read_records(folder), below_root)


def sweep(folder: Path) -> None:
    """Remove the unfinished files that a kill has left."""
    for name in _DATA:
        for part in (folder / name).rglob(".*.part"):
            part.unlink(missing_ok=True)
