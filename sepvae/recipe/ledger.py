"""Which stages of a run are done, from what, with what outcome and in what time: what lets a run skip and resume."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from sepvae.config import Config, parse_config
from sepvae.devices import Processor, describe_processor
from sepvae.errors import ConfigError, InputError, OutputError
from sepvae.files import hash_file, hash_json, make_folder, read_json, remove, write_json
from sepvae.progress import progress

_LOGGER = logging.getLogger(__name__)
# How often the time spent is written down, for a stage that is killed.
_NOTE_EVERY_S = 30.0


def fingerprint(path: Path) -> str:
    """Return a hash of a file's bytes, or of the names and bytes of the files in a folder."""
    if path.is_file():
        return hash_file(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return hash_json([[file.relative_to(path).as_posix(), hash_file(file)] for file in files])


class _Record(Config):
    """What the record of a stage holds; what it took is as of `Receipt`."""

    inputs: str | None
    outputs: dict[str, str] | None
    core_seconds: Annotated[float, Field(ge=0, le=1e12)] | None = None
    processor: dict[str, str | bool | Annotated[int, Field(ge=0, le=1 << 20)] | None] | None = None
    date: str | None = None


class Receipt(NamedTuple):
    """What a stage took: CPU seconds of all its attempts, on which processor, and the day on which it was done.

    None is what the record of another version does not say.
    """

    core_seconds: float | None
    processor: Processor | None
    date: str | None


def _core_seconds() -> float:
    """Return the CPU seconds of this process, and of those that it started and that have ended."""
    # Of this process `os.times` counts in hundredths only.
    ended = os.times()
    return time.process_time() + ended.children_user + ended.children_system


class Ledger:
    """One small JSON record per finished stage: the hash of its inputs and of each of its outputs, and its receipt."""

    def __init__(self, folder: Path) -> None:
        self._folder = make_folder(folder)

    def run(self, stage: str, inputs: Any, outputs: Sequence[Path], work: Callable[[], None]) -> dict[str, str]:
        """Do a stage unless it was done from the same inputs and its outputs are as it left them.

        Outputs of a stage that was stopped half-way are kept, so that its work can continue from them, and so is the
        time that it took.

        Args:
            inputs: JSON that decides the outcome: settings, and the hashes of the stages before.
            outputs: files and folders that the work makes.

        Returns:
            The hash of each output, by name, to be part of the inputs of later stages.
        """
        key = hash_json([metadata.version("sepvae"), stage, inputs])
        done = {"inputs": None, "outputs": None, **self._read(stage)}
        if done["inputs"] == key and done["outputs"] is not None and done["outputs"] == self._hashes(outputs):
            _LOGGER.info("%s: nothing has changed, skipped", stage)
            return dict(done["outputs"])
        spent: float | None = 0.0
        if done["inputs"] == key and done["outputs"] is None:
            # Half of the work is there; a record without the time is of another version.
            spent = done.get("core_seconds")
        else:
            # Made from other inputs, or changed since: what is there is not half of this stage's work.
            for path in outputs:
                remove(path)
        _LOGGER.info("%s", stage)
        with self._timed(stage, key, spent) as note, progress(stage, 1, unit="stage") as job:
            work()
            job.advance()
        hashes = self._hashes(outputs)
        note(hashes)
        return hashes

    def receipt(self, stage: str) -> Receipt:
        """Return what a stage took."""
        done = self._read(stage)
        return Receipt(*(done.get(key) for key in Receipt._fields))

    def _read(self, stage: str) -> dict[str, Any]:
        """Return the record of a stage, empty where there is none; InputError when it is damaged."""
        record = self._folder / f"{stage}.json"
        if not record.is_file():
            return {}
        try:
            return parse_config(_Record, read_json(record), where=str(record)).model_dump(exclude_unset=True)
        except (ConfigError, InputError) as error:
            raise InputError(f"{error}: remove {record}, and the stage is done again") from error

    @contextlib.contextmanager
    def _timed(self, stage: str, key: str, spent: float | None) -> Iterator[Callable[[dict[str, str] | None], None]]:
        """Yield what writes the record of a stage, and write it from time to time and when the stage is stopped."""
        began, ended, processor = _core_seconds(), threading.Event(), describe_processor()

        def note(outputs: dict[str, str] | None = None) -> None:
            taken = None if spent is None else round(spent + _core_seconds() - began, 2)
            day = datetime.now(UTC).date().isoformat()
            receipt = Receipt(taken, processor, day)._asdict()
            write_json(self._folder / f"{stage}.json", {"inputs": key, "outputs": outputs, **receipt})

        def keep_noting() -> None:
            while not ended.wait(_NOTE_EVERY_S):
                # A full disk is told of by the work itself.
                with contextlib.suppress(OutputError):
                    note()

        note()
        thread = threading.Thread(target=keep_noting, daemon=True)
        thread.start()
        try:
            yield note
        except BaseException:
            with contextlib.suppress(OutputError):
                note()
            raise
        finally:
            ended.set()
            thread.join()

    @staticmethod
    def _hashes(outputs: Sequence[Path]) -> dict[str, str]:
        return {path.name: fingerprint(path) if path.exists() else "missing" for path in outputs}
