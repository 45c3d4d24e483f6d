"""Which stages of a run are done, from what, and with what outcome: the memory that lets a run skip and resume."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from sepvae.files import hash_file, hash_json, make_folder, read_json, remove, write_json
from sepvae.progress import progress

_LOGGER = logging.getLogger(__name__)


def fingerprint(path: Path) -> str:
    """Return a hash of a file's bytes, or of the names and bytes of the files in a folder."""
    if path.is_file():
        return hash_file(path)
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return hash_json([[file.relative_to(path).as_posix(), hash_file(file)] for file in files])


class Ledger:
    """One small JSON record per finished stage: the hash of its inputs and of each of its outputs."""

    def __init__(self, folder: Path) -> None:
        self._folder = make_folder(folder)

    def run(self, stage: str, inputs: Any, outputs: Sequence[Path], work: Callable[[], None]) -> dict[str, str]:
        """Do a stage unless it was done from the same inputs and its outputs are as it left them.

        Outputs of a stage that was stopped half-way are kept, so that its work can continue from them.

        Args:
            inputs: JSON that decides the outcome: settings, and the hashes of the stages before.
            outputs: files and folders that the work makes.

        Returns:
            The hash of each output, by name, to be part of the inputs of later stages.
        """
        record = self._folder / f"{stage}.json"
        key = hash_json([metadata.version("sepvae"), stage, inputs])
        done = {"inputs": None, "outputs": None, **(read_json(record) if record.is_file() else {})}
        if done["inputs"] == key and done["outputs"] is not None and done["outputs"] == self._hashes(outputs):
            _LOGGER.info("%s: nothing has changed, skipped", stage)
            return dict(done["outputs"])
        if done["inputs"] != key or done["outputs"] is not None:
            # Made from other inputs, or changed since: what is there is not half of this stage's work.
            for path in outputs:
                remove(path)
        write_json(record, {"inputs": key, "outputs": None})
        _LOGGER.info("%s", stage)
        with progress(stage, 1, unit="stage") as job:
            work()
            job.advance()
        hashes = self._hashes(outputs)
        write_json(record, {"inputs": key, "outputs": hashes})
        return hashes

    @staticmethod
    def _hashes(outputs: Sequence[Path]) -> dict[str, str]:
        return {path.name: fingerprint(path) if path.exists() else "missing" for path in outputs}
