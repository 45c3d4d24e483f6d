"""The end of a run: records and failures of all journals in one order, manifests, and what made them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any

from sepvae.augmentation.config import AugmentConfig
from sepvae.augmentation.identity import Identity
from sepvae.augmentation.journal import parse_line, scan_lines
from sepvae.augmentation.ledger import Place, outcomes
from sepvae.augmentation.manifests.kaldi import kaldi
from sepvae.augmentation.manifests.lhotse import lhotse
from sepvae.augmentation.manifests.speechbrain import speechbrain
from sepvae.augmentation.plan import Plan
from sepvae.augmentation.records import Record
from sepvae.errors import ConfigError
from sepvae.files import atomic_file, hash_file, read_json, to_json, write_json

# `FINAL` is written last: where it is, everything else is.
FINAL = "augmented.json"
RECORDS, FAILURES = "records.jsonl", "failures.jsonl"
_DATA = ("audio", "features", "archives", "shar")
KEPT = (*_DATA, RECORDS, FAILURES, "kaldi", "lhotse", "speechbrain")


def is_complete(folder: Path, mark: str, corpus: Identity) -> bool:
    """Whether the folder holds a whole run with this fingerprint of this corpus; ConfigError when of another one."""
    if not (folder / FINAL).is_file():
        return False
    final = read_json(folder / FINAL)
    if final.get("fingerprint") != mark:
        raise ConfigError(f"{folder}: holds a run with other settings: choose another folder, or pass --overwrite")
    Identity(**final["corpus"]).check(corpus, folder)
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
    """Write records, failures and manifests in the order of the plan, one block at a time in memory.

    Args:
        folder: of the run.
        plan: of the run.
        config: of the run.
        model_hash: of the model, if there is one.
        finished: where the journals tell of each block.
        paths: in manifests, `relative` to the folder or `absolute`.
    """
    n_records, n_failures, n_samples = 0, 0, 0
    with ExitStack() as stack:
        records = stack.enter_context(_json_lines(folder / RECORDS))
        failures = stack.enter_context(_json_lines(folder / FAILURES))
        manifests = [stack.enter_context(one) for one in _manifests(folder, config.output.format, paths)]
        left_out: Mapping[str, Any] = {"records": [], "failures": [asdict(failure) for failure in plan.failures]}
        for outcome in chain([left_out], outcomes(finished)):
            for value in outcome["failures"]:
                failures(value)
                n_failures += 1
            for value in outcome["records"]:
                records(value)
                record = Record.from_json(value)
                for add in manifests:
                    add(record)
                n_records, n_samples = n_records + 1, n_samples + record.n_samples
    sweep(folder)
    final = {
        "config": config.resolved(), "fingerprint": plan.fingerprint, "corpus_hash": plan.corpus_hash,
        "corpus": plan.corpus.to_json(),
        "sample_rate": plan.sample_rate, "model": model_hash, "duration_s": round(n_samples / plan.sample_rate, 3),
        "n_records": n_records, "n_failures": n_failures, "records_sha256": hash_file(folder / RECORDS),
        "paths": paths, "sepvae": metadata.version("sepvae"),
    }  # fmt: skip
    write_json(folder / FINAL, final)


def rewrite_manifests(folder: Path, paths: str) -> None:
    """Write the manifests of a finished run again where their paths are to be others."""
    final = read_json(folder / FINAL)
    if final["paths"] == paths:
        return
    with ExitStack() as stack:
        manifests = [stack.enter_context(one) for one in _manifests(folder, final["config"]["output"]["format"], paths)]
        for record in read_records(folder):
            for add in manifests:
                add(record)
    write_json(folder / FINAL, {**final, "paths": paths})


@contextmanager
def _json_lines(path: Path) -> Iterator[Callable[[Any], None]]:
    """Yield what writes a value as a line of a file that appears when the block succeeds."""
    with atomic_file(path) as part, part.open("wb") as file:

        def add(value: Any) -> None:
            file.write(f"{to_json(value)}\n".encode("utf-8", "backslashreplace"))

        yield add


def _manifests(folder: Path, kind: str, paths: str) -> Iterator[AbstractContextManager[Callable[[Record], None]]]:
    """Yield the manifests that a format allows: archives are their own, and features are no recordings."""

    def place(path: str) -> str:
        return str((folder / path).resolve()) if paths == "absolute" else path

    def below_root(path: str) -> str:
        return place(path) if paths == "absolute" else f"$data_root/{path}"

    yield kaldi(folder / "kaldi", place)
    if kind in ("wav", "flac"):
        yield lhotse(folder / "lhotse", place)
    if kind in ("wav", "flac", "npy"):
        yield speechbrain(folder / "speechbrain", below_root)


def read_records(folder: Path) -> Iterator[Record]:
    """Yield the records of a finished run."""
    for _, line in scan_lines(folder / RECORDS):
        yield Record.from_json(parse_line(line, folder / RECORDS))


def sweep(folder: Path) -> None:
    """Remove the unfinished files that a kill has left."""
    for name in _DATA:
        for part in (folder / name).rglob(".*.part"):
            part.unlink(missing_ok=True)
