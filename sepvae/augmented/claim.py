"""Whose a folder is: the run that it holds is gone on with, replaced where that is asked for, or left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sepvae.augmented.config import AugmentConfig
from sepvae.augmented.gather import FINAL, KEPT, is_complete
from sepvae.augmented.identity import Identity
from sepvae.augmented.ledger import finished_blocks, locked
from sepvae.augmented.plan import HEADER, Plan, has_plan, publish_plan, read_plan, write_plan
from sepvae.corpora.records import Corpus
from sepvae.errors import ConfigError, OutputError
from sepvae.files import make_folder, remove

WORK = ".work"
_DRAFT, _PLAN_LOCK = "draft", "plan.lock"


@dataclass(frozen=True)
class Claim:
    """A run that wants a folder: of which corpus, with which settings, for which shard, and whether to start again."""

    folder: Path
    corpus: Corpus
    identity: Identity
    config: AugmentConfig
    fingerprint: str
    shard: tuple[int, int]
    overwrite: bool

    @property
    def work(self) -> Path:
        """The folder of what is removed when the run is finished."""
        return self.folder / WORK

    @property
    def lock(self) -> Path:
        """The lock of the shard."""
        return self.work / f"{self.shard[0]}-of-{self.shard[1]}.lock"

    def is_met(self) -> bool:
        """Whether the folder holds the whole run; ConfigError when it holds another one, or files of someone else."""
        foreign = [name for name in KEPT if (self.folder / name).exists()]
        if foreign and not ((self.folder / FINAL).exists() or self.work.exists()):
            raise ConfigError(
                f"{self.folder}: holds {foreign[0]}, which is of no run of augmentation: choose another folder"
            )
        return not self.overwrite and is_complete(self.folder, self.fingerprint, self.identity)


@contextmanager
def claimed(claim: Claim, check: Callable[[Plan], object]) -> Iterator[Plan | None]:
    """Hold a shard of a run in the folder while the block is at work.

    Args:
        claim: what is to be made, and where.
        check: raises what is wrong with the settings, before anything that is there is replaced.

    Yields:
        The plan, which is made when there is none; None when another process has finished the run meanwhile.

    Raises:
        ConfigError: the folder holds a run with other settings, or of another corpus.
        OutputError: another run is at work in the folder.
    """
    make_folder(claim.folder)
    with ExitStack() as stack:
        # The shard is taken before the plan is let go of: nobody replaces it in between.
        with locked(claim.work / _PLAN_LOCK, patient=True):
            try:
                busy = "is at work there" if claim.overwrite else "makes the same shard there"
                stack.enter_context(locked(claim.lock, busy=busy))
                plan = None if claim.is_met() else _standing(claim) or _new(claim, check)
            finally:
                _leave_as_found(claim)
        yield plan


def _leave_as_found(claim: Claim) -> None:
    """Remove locks that are of no run: what has failed at once, or was finished by others, leaves nothing behind."""
    used = has_plan(claim.work) or set(claim.work.glob("*-of-*.lock")) > {claim.lock}
    # Without the folder of its work, what is left of a removed run would look like someone else's.
    left = any((claim.folder / name).exists() for name in KEPT)
    if (claim.folder / FINAL).exists() or not (used or left):
        # Who has just finished the run may be at it too.
        with suppress(OutputError):
            remove(claim.work)


def _standing(claim: Claim) -> Plan | None:
    """Return the plan that can be gone on with; ConfigError when something was made by one that cannot."""
    if claim.overwrite or not has_plan(claim.work):
        return None
    plan = read_plan(claim.work)
    if plan.fingerprint == claim.fingerprint and plan.corpus.is_same(claim.identity):
        return plan
    plan.utterances.close()
    if finished_blocks(claim.work):
        if plan.fingerprint != claim.fingerprint:
            raise ConfigError(
                f"{claim.folder}: holds a run with other settings: choose another folder, or pass --overwrite"
            )
        if plan.corpus.root != claim.identity.root:
            plan.corpus.check(claim.identity, claim.folder)
    return None


def _new(claim: Claim, check: Callable[[Plan], object]) -> Plan:
    """Return a plan that is made anew, beside the one that is there until everything about it is checked."""
    draft = claim.work / _DRAFT
    try:
        remove(draft)
        write_plan(draft, claim.corpus, claim.identity, claim.config, claim.fingerprint)
        plan = read_plan(draft)
        check(plan)
        plan.utterances.close()
        if claim.overwrite or not (has_plan(claim.work) and finished_blocks(claim.work)):
            _clear(claim)
        else:
            # A file was repaired, say: the blocks stay as they are when the utterances and their labels do.
            old = read_plan(claim.work)
            old.utterances.close()
            if old.corpus_hash != plan.corpus_hash:
                old.corpus.check(claim.identity, claim.folder)
        publish_plan(draft, claim.work)
    finally:
        remove(draft)
    return read_plan(claim.work)


def _clear(claim: Claim) -> None:
    """Remove an earlier run, which nobody else may be at; interrupted, it leaves no plan and no mark of a whole run."""
    with ExitStack() as stack:
        for path in sorted(claim.work.glob("*.lock")):
            if path not in (claim.lock, claim.work / _PLAN_LOCK):
                stack.enter_context(locked(path, busy="is at work there"))
        remove(claim.work / HEADER)
        for name in (FINAL, *KEPT):
            remove(claim.folder / name)
        for path in claim.work.iterdir():
            if path.suffix != ".lock" and path.name != _DRAFT:
                remove(path)
