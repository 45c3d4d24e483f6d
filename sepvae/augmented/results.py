"""The end of a run: records and failures of all shards in one order, manifests, and what made them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from sepvae import plugins
from sepvae.augmented.config import AugmentConfig, OutputConfig
from sepvae.augmented.folder import FAILURES, FINAL, read_final
from sepvae.augmented.journal import Place, damaged, lost_file, read_block, shard_of
from sepvae.augmented.manifests.kaldi import kaldi
from sepvae.augmented.manifests.lhotse import lhotse
from sepvae.augmented.manifests.speechbrain import speechbrain
from sepvae.augmented.plan import Plan
from sepvae.augmented.records import RECORDS, Record, read_records
from sepvae.errors import InputError
from sepvae.files import atomic_file, hash_file, to_json, write_json
from sepvae.parts import remove_left
from sepvae.progress import counting, progress


def write_results(
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
    n_records, n_failures, n_samples, n_bytes = 0, len(plan.failures), 0, 0
    with ExitStack() as stack:
        add_record = stack.enter_context(_json_lines(folder / RECORDS))
        add_failure = stack.enter_context(_json_lines(folder / FAILURES))
        manifests = [stack.enter_context(one) for one in _manifests(folder, config.output, paths)]
        for failure in plan.failures:
            add_failure(asdict(failure))
        for number in counting("merging", sorted(finished), unit="blocks"):
            block, journal = read_block(finished[number]), finished[number][0]
            made = _records(block, plan, journal)
            lost = lost_file(block, folder)
            if lost is not None:
                shard, what = shard_of(journal), "missing, or not of the size it had when shard"
                raise InputError(
                    f"{folder / lost}: {what} {shard} made it: run --shard {shard} again, which makes it anew"
                )
            n_bytes += sum(block["files"][path] for path in {record.path for record in made})
            for value in block["failures"]:
                add_failure(value)
            n_failures += len(block["failures"])
            for value, record in zip(block["records"], made, strict=True):
                add_record(value)
                for add in manifests:
                    add(record)
                n_records, n_samples = n_records + 1, n_samples + record.n_samples
    remove_left(folder, below=True)
    final = {
        "config": config.model_dump(mode="json"), "fingerprint": plan.fingerprint, "corpus_hash": plan.corpus_hash,
        "corpus": plan.corpus.to_json(),
        "sample_rate": plan.sample_rate, "model": model_hash, "duration_s": round(n_samples / plan.sample_rate, 3),
        "n_records": n_records, "n_failures": n_failures, "n_bytes": n_bytes, "paths": paths,
        "records_sha256": hash_file(folder / RECORDS), "sepvae": metadata.version("sepvae"),
        "plugins": plugins.needed_by(config),
    }  # fmt: skip
    write_json(folder / FINAL, final)


def rewrite_manifests(folder: Path, output: OutputConfig, paths: str) -> None:
    """Write the manifests of a finished run again where their paths are to be others."""
    final = read_final(folder)
    if final["paths"] == paths:
        return
    with ExitStack() as stack:
        manifests = [stack.enter_context(one) for one in _manifests(folder, output, paths)]
        with progress("manifests", final["n_records"], unit="records") as job:
            for record in read_records(folder):
                for add in manifests:
                    add(record)
                job.advance()
    write_json(folder / FINAL, {**final, "paths": paths})


def _records(block: Mapping[str, Any], plan: Plan, journal: Path) -> list[Record]:
    """Return the records of a block; InputError when they are none, or of another block."""
    number = block["block"]
    expected = {utterance.id for utterance in plan.block(number)}
    try:
        records = [Record.from_json(value) for value in block["records"]]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise damaged(journal, f"block {number} holds a record that is none") from error
    if len({one.id for one in records}) < len(records) or not expected.issuperset(one.utterance for one in records):
        raise damaged(journal, f"block {number} holds records of another one, or one twice")
    if not {one.path for one in records}.issubset(block["files"]):
        raise damaged(journal, f"block {number} lacks the size of a file")
    return records


@contextmanager
def _json_lines(path: Path) -> Iterator[Callable[[Any], None]]:
    """Yield what writes a value as a line of a file that appears when the block succeeds."""
    with atomic_file(path) as part, part.open("wb") as file:

        def add(value: Any) -> None:
            file.write(f"{to_json(value)}\n".encode("utf-8", "backslashreplace"))

        yield add


def _manifests(
    folder: Path, output: OutputConfig, paths: str
) -> Iterator[AbstractContextManager[Callable[[Record], None]]]:
    """Yield the manifests that a format allows: archives are their own, and features are no recordings."""

    def place(path: str) -> str:
        return str((folder / path).resolve()) if paths == "absolute" else path

    def below_root(path: str) -> str:
        return place(path) if paths == "absolute" else f"$data_root/{path}"

    yield kaldi(folder / "kaldi", place)
    if not output.writer.archives:
        if output.writer.samples:
            yield lhotse(folder / "lhotse", place)
        yield speechbrain(folder / "speechbrain", below_root)
