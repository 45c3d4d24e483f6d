"""The folder of a run: whether it may be written, what is done there, and whether that is the whole run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sepvae import plugins
from sepvae.augmented.config import AugmentConfig
from sepvae.augmented.fingerprint import CorpusSnapshot
from sepvae.augmented.journal import RESTART, damaged, file_size, finished_blocks, locked, read_checked
from sepvae.augmented.plan import HEADER, Plan, has_plan, publish_plan, read_plan, write_plan
from sepvae.augmented.records import RECORDS, read_records
from sepvae.corpora.records import Corpus
from sepvae.errors import ConfigError, InputError, OutputError
from sepvae.files import hash_file, make_folder, read_json, remove
from sepvae.progress import counting

# What says that the run is whole: it is written last.
FINAL = "augmented.json"
FAILURES = "failures.jsonl"
DATA = ("audio", "features", "archives", "shar")
MANIFESTS = ("kaldi", "lhotse", "speechbrain")
# All that stays of a run beside what says that it is whole, and the folder of what is removed when it is finished.
KEPT, WORK = (*DATA, RECORDS, FAILURES, *MANIFESTS), ".work"
_DRAFT, _PLAN_LOCK = "draft", "plan.lock"
_FIELDS = {
    "config": dict, "fingerprint": str, "corpus": dict, "n_records": int, "n_failures": int, "n_bytes": int,
    "records_sha256": str, "paths": str,
}  # fmt: skip


@dataclass(frozen=True)
class RunFolder:
    """A folder and the run that wants it: of which corpus, with which settings, for which shard, and whether anew."""

    path: Path
    corpus: Corpus
    snapshot: CorpusSnapshot
    config: AugmentConfig
    fingerprint: str
    shard: tuple[int, int] = (1, 1)
    overwrite: bool = False

    @property
    def work(self) -> Path:
        """The folder of what is removed when the run is finished."""
        return self.path / WORK

    @property
    def lock(self) -> Path:
        """The lock of the shard."""
        return self.work / f"{self.shard[0]}-of-{self.shard[1]}.lock"

    def is_complete(self) -> bool:
        """Whether the folder holds the whole run; ConfigError when it holds another one."""
        if not (self.path / FINAL).is_file():
            return False
        final = read_final(self.path)
        if final["fingerprint"] != self.fingerprint:
            raise self._other_settings()
        CorpusSnapshot.from_json(final["corpus"], self.path / FINAL).check(self.snapshot, self.path)
        return True

    def has_nothing_to_make(self) -> bool:
        """Whether the run is complete and stays; ConfigError when the folder holds another run, or someone's files."""
        foreign = [name for name in KEPT if (self.path / name).exists()]
        if foreign and not ((self.path / FINAL).exists() or self.work.exists()):
            raise ConfigError(
                f"{self.path}: holds {foreign[0]}, which is of no run of augmentation: choose another folder"
            )
        return not self.overwrite and self.is_complete()

    @contextmanager
    def held(self, check: Callable[[Plan], object]) -> Iterator[Plan | None]:
        """Hold the shard while the block is at work: nobody else makes it, or removes the run.

        Args:
            check: raises what is wrong with the settings, before anything that is there is replaced.

        Yields:
            The plan, which is made when there is none; None when another process has finished the run meanwhile.

        Raises:
            ConfigError: the folder holds a run with other settings, or of another corpus.
            OutputError: another run is at work in the folder.
        """
        make_folder(self.path)
        with ExitStack() as stack:
            # The shard is taken before the plan is let go of: nobody replaces it in between.
            with locked(self.work / _PLAN_LOCK, patient=True):
                try:
                    busy = "is at work there" if self.overwrite else "makes the same shard there"
                    stack.enter_context(locked(self.lock, busy=busy))
                    plan = None if self.has_nothing_to_make() else self._plan_to_go_on_with() or self._new_plan(check)
                finally:
                    self._leave_as_found()
            yield plan

    def _leave_as_found(self) -> None:
        """Remove locks that are of no run: what failed at once, or was finished by others, leaves nothing behind."""
        used = has_plan(self.work) or set(self.work.glob("*-of-*.lock")) > {self.lock}
        # Without the folder of its work, what is left of a removed run would look like someone else's.
        left = any((self.path / name).exists() for name in KEPT)
        if (self.path / FINAL).exists() or not (used or left):
            # Who has just finished the run may be at it too.
            with suppress(OutputError):
                remove(self.work)

    def _read_plan(self) -> Plan:
        return read_plan(self.work, self.config.output.utterances_per_block)

    def _plan_to_go_on_with(self) -> Plan | None:
        """Return the plan that is there; ConfigError when something was made by one that cannot be gone on with."""
        if self.overwrite or not has_plan(self.work):
            return None
        plan = self._read_plan()
        if plan.fingerprint == self.fingerprint and plan.corpus.is_same(self.snapshot):
            return plan
        plan.utterances.close()
        if finished_blocks(self.work):
            if plan.fingerprint != self.fingerprint:
                raise self._other_settings()
            if plan.corpus.root != self.snapshot.root:
                plan.corpus.check(self.snapshot, self.path)
        return None

    def _new_plan(self, check: Callable[[Plan], object]) -> Plan:
        """Return a plan that is made anew, beside the one that is there until everything about it is checked."""
        draft = self.work / _DRAFT
        try:
            remove(draft)
            write_plan(draft, self.corpus, self.snapshot, self.config, self.fingerprint)
            plan = read_plan(draft, self.config.output.utterances_per_block)
            check(plan)
            plan.utterances.close()
            if self.overwrite or not (has_plan(self.work) and finished_blocks(self.work)):
                self._clear()
            else:
                # A file was repaired, say: the blocks stay as they are when the utterances and their labels do.
                old = self._read_plan()
                old.utterances.close()
                if old.corpus_hash != plan.corpus_hash:
                    old.corpus.check(self.snapshot, self.path)
            publish_plan(draft, self.work)
        finally:
            remove(draft)
        return self._read_plan()

    def _clear(self) -> None:
        """Remove an earlier run, which nobody else may be at; interrupted, it leaves no plan and no whole run."""
        with ExitStack() as stack:
            for path in sorted(self.work.glob("*.lock")):
                if path not in (self.lock, self.work / _PLAN_LOCK):
                    stack.enter_context(locked(path, busy="is at work there"))
            remove(self.work / HEADER)
            for name in (FINAL, *KEPT):
                remove(self.path / name)
            for path in self.work.iterdir():
                if path.suffix != ".lock" and path.name != _DRAFT:
                    remove(path)

    def _other_settings(self) -> ConfigError:
        return ConfigError(f"{self.path}: holds a run with other settings: choose another folder, or pass --overwrite")


def read_final(folder: Path) -> dict[str, Any]:
    """Return what a finished run says of itself; InputError when it is damaged."""
    return read_checked(folder / FINAL, _FIELDS)


def check_files(folder: Path) -> None:
    """Raise InputError when a finished run has lost records or files since."""
    final, path = read_final(folder), folder / RECORDS
    if not path.is_file() or hash_file(path) != final["records_sha256"]:
        raise damaged(path, "its hash is another one")
    n_bytes = 0
    for name in counting("checking files", dict.fromkeys(record.path for record in read_records(folder)), unit="files"):
        size = file_size(folder / name)
        if size is None:
            raise InputError(f"{folder / name}: missing, but the run had made it: {RESTART}")
        n_bytes += size
    if n_bytes != final["n_bytes"]:
        what = f"its files have {n_bytes} bytes, the run had made {final['n_bytes']}"
        raise InputError(f"{folder}: {what}: {RESTART}")


def check_plugins(folder: Path) -> None:
    """Raise ConfigError when the folder holds a run, finished or not, that needs a plug-in which is not loaded."""
    for path in (folder / FINAL, folder / WORK / HEADER):
        header = read_json(path) if path.is_file() else None
        needed = header.get("plugins", ()) if isinstance(header, dict) else ()
        try:
            plugins.check_loaded(needed)
        except ConfigError as error:
            where = f"{folder}: holds a run that"
            raise ConfigError(f"{where} {error}, or choose another folder, or pass --overwrite") from error
