"""The end of a run: records and failures of all journals in one order, manifests, and what made them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from sepvae.augmented.config import AugmentConfig
from sepvae.augmented.identity import Identity
from sepvae.augmented.journal import parse_line, scan_lines
from sepvae.augmented.ledger import Place, file_size, lost_file, outcomes
from sepvae.augmented.manifests.kaldi import kaldi
from sepvae.augmented.manifests.lhotse import lhotse
from sepvae.augmented.manifests.speechbrain import speechbrain
from sepvae.augmented.plan import Plan
from sepvae.augmented.records import Record
from sepvae.augmented.saved import RESTART, damaged, read_saved
from sepvae.augmented.writers.contract import block_utterances
from sepvae.errors import ConfigError, InputError
from sepvae.files import atomic_file, hash_file, to_json, write_json

# `FINAL` is written last: where it is, everything else is.
FINAL = "augmented.json"
RECORDS, FAILURES = "records.jsonl", "failures.jsonl"
_FIELDS = {
    "config": dict, "fingerprint": str, "corpus": dict, "n_records": int, "n_failures": int, "n_bytes": int,
    "records_sha256": str, "paths": str,
}  # fmt: skip
_DATA = ("audio", "features", "archives", "shar")
KEPT = (*_DATA, RECORDS, FAILURES, "kaldi", "lhotse", "speechbrain")


def is_complete(folder: Path, mark: str, corpus: Identity) -> bool:
    """Whether the folder holds a whole run with this fingerprint of this corpus; ConfigError when of another one."""
    if not (folder / FINAL).is_file():
        return False
    final = read_final(folder)
    if final["fingerprint"] != mark:
        raise ConfigError(f"{folder}: holds a run with other settings: choose another folder, or pass --overwrite")
    Identity.from_json(final["corpus"], folder / FINAL).check(corpus, folder)
    return True


def read_final(folder: Path) -> dict[str, Any]:
    """Return what a finished run says of itself; InputError when it is damaged."""
    return read_saved(folder / FINAL, _FIELDS)


def check_files(folder: Path) -> None:
    """Raise InputError when a finished run has lost records or files since."""
    final, path = read_final(folder), folder / RECORDS
    if not path.is_file() or hash_file(path) != final["records_sha256"]:
        raise damaged(path, "its hash is another one")
    n_bytes = 0
    for name in dict.fromkeys(record.path for record in read_records(folder)):
        size = file_size(folder / name)
        if size is None:
            raise InputError(f"{folder / name}: missing, but the run had made it: {RESTART}")
        n_bytes += size
    if n_bytes != final["n_bytes"]:
        what = f"its files have {n_bytes} bytes, the run had made {final['n_bytes']}"
        raise InputError(f"{folder}: {what}: {RESTART}")


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

    Raises:
        InputError: a journal is damaged, or tells of a file that is not there any more.
    """
    n_records, n_failures, n_samples, n_bytes = 0, 0, 0, 0
    with ExitStack() as stack:
        records = stack.enter_context(_json_lines(folder / RECORDS))
        failures = stack.enter_context(_json_lines(folder / FAILURES))
        manifests = [stack.enter_context(one) for one in _manifests(folder, config.output.format, paths)]
        for failure in plan.failures:
            failures(asdict(failure))
        n_failures = len(plan.failures)
        for outcome in outcomes(finished):
            journal = finished[outcome["block"]][0]
            made = _records(outcome, plan, block_utterances(config.output), journal)
            lost = lost_file(outcome, folder)
            if lost is not None:
                shard = journal.stem.removeprefix("journal-").replace("-of-", "/")
                what = f"missing, or not of the size it had when shard {shard} made it"
                raise InputError(f"{folder / lost}: {what}: run --shard {shard} again, which makes it anew")
            n_bytes += sum(outcome["files"][path] for path in {record.path for record in made})
            for value in outcome["failures"]:
                failures(value)
                n_failures += 1
            for value, record in zip(outcome["records"], made, strict=True):
                records(value)
                for add in manifests:
                    add(record)
                n_records, n_samples = n_records + 1, n_samples + record.n_samples
    sweep(folder)
    final = {
        "config": config.resolved(), "fingerprint": plan.fingerprint, "corpus_hash": plan.corpus_hash,
        "corpus": plan.corpus.to_json(),
        "sample_rate": plan.sample_rate, "model": model_hash, "duration_s": round(n_samples / plan.sample_rate, 3),
        "n_records": n_records, "n_failures": n_failures, "n_bytes": n_bytes, "paths": paths,
        "records_sha256": hash_file(folder / RECORDS), "sepvae": metadata.version("sepvae"),
    }  # fmt: skip
    write_json(folder / FINAL, final)


def rewrite_manifests(folder: Path, paths: str) -> None:
    """Write the manifests of a finished run again where their paths are to be others."""
    final = read_final(folder)
    if final["paths"] == paths:
        return
    with ExitStack() as stack:
        manifests = [stack.enter_context(one) for one in _manifests(folder, final["config"]["output"]["format"], paths)]
        for record in read_records(folder):
            for add in manifests:
                add(record)
    write_json(folder / FINAL, {**final, "paths": paths})


def _records(outcome: Mapping[str, Any], plan: Plan, size: int, journal: Path) -> list[Record]:
    """Return the records of a block; InputError when they are none, or of another block."""
    number = outcome["block"]
    expected = {utterance.id for utterance in plan.block(number, size)}
    try:
        records = [Record.from_json(value) for value in outcome["records"]]
    except (AttributeError, KeyError, TypeError) as error:
        raise damaged(journal, f"block {number} holds a record that is none") from error
    if len({one.id for one in records}) < len(records) or not expected.issuperset(one.utterance for one in records):
        raise damaged(journal, f"block {number} holds records of another one, or one twice")
    if not {one.path for one in records}.issubset(outcome["files"]):
        raise damaged(journal, f"block {number} lacks the size of a file")
    return records


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
