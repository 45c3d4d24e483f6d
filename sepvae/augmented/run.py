"""A whole corpus: planned once, made block by block on any scheduler, resumed after a kill, gathered at the end.

The bytes of the result depend on the corpus and the settings alone: not on workers, shards, order or interruptions.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sepvae.augmentation.contract import augmentation_class
from sepvae.augmented.claim import WORK, Claim, claimed
from sepvae.augmented.config import AugmentConfig
from sepvae.augmented.gather import FINAL, KEPT, check_files, gather, is_complete, read_final, rewrite_manifests
from sepvae.augmented.identity import identify
from sepvae.augmented.ledger import finished_blocks, is_whole, locked, open_journal, outcomes
from sepvae.augmented.pipeline import Job, Outcome, Task, fingerprint, pipeline, run_task
from sepvae.augmented.places import absolute, by_contents, named_anywhere
from sepvae.augmented.plan import Plan
from sepvae.augmented.schedulers import scheduler
from sepvae.augmented.writers.contract import block_utterances
from sepvae.corpora.records import Corpus
from sepvae.errors import ConfigError, InputError, OutputError
from sepvae.files import hash_file, hash_json, remove, to_json
from sepvae.progress import progress

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Summary:
    """What a run did: counts of everything that is there now, and what this call made in how many seconds."""

    out: str
    complete: bool
    n_records: int
    n_failures: int
    made_s: float
    seconds: float

    @property
    def x_real_time(self) -> float:
        """Seconds of speech made in a second."""
        return self.made_s / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True)
class Run:
    """How to run, which changes nothing about the result: processes or a cluster, a shard, and how strict to be.

    `shard` is (K, N), K from 1 to N; `paths` are those in the manifests.
    """

    workers: int = 1
    address: str | None = None
    shard: tuple[int, int] = (1, 1)
    strict: bool = False
    overwrite: bool = False
    device: str = "cpu"
    paths: Literal["relative", "absolute"] = "relative"

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ConfigError(f"workers: {self.workers}: give 1 or more")
        if not 1 <= self.shard[0] <= self.shard[1]:
            raise ConfigError(f"shard {self.shard[0]}/{self.shard[1]}: give K/N with K from 1 to N")


def parse_shard(text: str) -> tuple[int, int]:
    """Return the shard that `K/N` names; ConfigError when it names none.

    Example:
        >>> parse_shard("3/16")
        (3, 16)
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if match is None:
        raise ConfigError(f"shard {text!r}: give K/N, such as 3/16 for the third of sixteen")
    return int(match[1]), int(match[2])


def augment_corpus(
    corpus: Corpus, out: str | Path, config: AugmentConfig, *, model: Path | None = None, run: Run | None = None
) -> Summary:
    """Make an augmented corpus, or go on with one that was interrupted.

    Args:
        corpus: an open corpus.
        out: folder of the result.
        config: what to make.
        model: folder of a trained model, for methods that need one.
        run: how to run.

    Raises:
        InputError: nothing can be augmented; or with `strict`, a file is bad.
        ConfigError: impossible settings, or the folder holds another run, or one of another corpus.
        OutputError: a result cannot be written.
    """
    run, folder, started = run or Run(), Path(out), time.monotonic()
    _check_places(corpus, folder, config, model)
    pipeline.cache_clear()
    model_hash = hash_model(model) if model else None
    mark = fingerprint(by_contents(config, corpus.root), model_hash)
    claim = Claim(folder, corpus, identify(corpus), config, mark, run.shard, run.overwrite)

    def job_of(plan: Plan) -> Job:
        return Job(
            root=str(corpus.root.resolve()), out=str(folder.resolve()), config=to_json(absolute(config, corpus.root)),
            sample_rate=plan.sample_rate, model=str(model.resolve()) if model else None, model_hash=model_hash,
            device=run.device, strict=run.strict,
        )  # fmt: skip

    def check(plan: Plan) -> None:
        _refuse_failures(plan, run)
        pipeline(job_of(plan))

    if claim.is_met():
        return _found(folder, run, started)
    with claimed(claim, check) as plan:
        if plan is None:
            return _found(folder, run, started)
        _refuse_failures(plan, run)
        _announce(plan, config)
        made_s = _make_shard(plan, job_of(plan), config, run, claim.work)
        if _gathered(folder, plan, config, model_hash, run):
            return _summary(folder, made_s, started)
        made = [(len(line["records"]), len(line["failures"])) for line in outcomes(finished_blocks(claim.work))]
    n_records, n_failures = sum(one for one, _ in made), len(plan.failures) + sum(one for _, one in made)
    _LOGGER.info("shard %d/%d is done; the manifests come with the last one", *run.shard)
    return Summary(str(folder), False, n_records, n_failures, made_s, time.monotonic() - started)


def _check_places(corpus: Corpus, folder: Path, config: AugmentConfig, model: Path | None) -> None:
    """Raise ConfigError when a method has no model, or when input and result would lie in each other."""
    for name in config.names:
        if augmentation_class(name).needs_model and model is None:
            raise ConfigError(f"method {name}: needs a model: give its folder with --model")
    if folder.resolve().is_relative_to(corpus.root.resolve()):
        raise ConfigError(f"{folder}: lies in the corpus, which would grow by it: choose a folder beside {corpus.root}")
    places = [corpus.root, *([model] if model else []), *named_anywhere(config.settings, corpus.root)]
    for place in places:
        for own in (*KEPT, FINAL, WORK):
            if place.resolve().is_relative_to((folder / own).resolve()):
                raise ConfigError(
                    f"{place}: lies in {folder / own}, which a run replaces: choose another folder for the result"
                )


def _refuse_failures(plan: Plan, run: Run) -> None:
    """Raise InputError when the run is strict, and something had to be left out."""
    if run.strict and plan.failures:
        raise InputError(plan.failures[0].message)


def _announce(plan: Plan, config: AugmentConfig) -> None:
    """Log what is left out, and what is to be made."""
    for failure in plan.failures:
        _LOGGER.warning("%s", failure.message)
    n_records = len(plan.utterances) * len(config.methods) * config.copies
    hours = plan.duration_s / 3600
    _LOGGER.info("%d utterances, %.2f hours, become %d records", len(plan.utterances), hours, n_records)


def _gathered(folder: Path, plan: Plan, config: AugmentConfig, model_hash: str | None, run: Run) -> bool:
    """Finish the run when all its blocks are made, by whichever shards; whether it is finished now."""
    work = folder / WORK
    n_blocks = len(plan.blocks(block_utterances(config.output)))
    if not is_complete(folder, plan.fingerprint, plan.corpus) and len(finished_blocks(work, n_blocks)) < n_blocks:
        return False
    with locked(work / "gather.lock", patient=True):
        if not is_complete(folder, plan.fingerprint, plan.corpus):
            gather(
                folder, plan, config, model_hash=model_hash, finished=finished_blocks(work, n_blocks), paths=run.paths
            )
    plan.utterances.close()
    # Another shard that has seen the end at the same time may be at it too.
    with contextlib.suppress(OutputError):
        remove(work)
    return True


def _make_shard(plan: Plan, job: Job, config: AugmentConfig, run: Run, work: Path) -> float:
    """Make the blocks of this shard that no journal has yet, and return the seconds of speech made."""
    size = block_utterances(config.output)
    shard, n_shards = run.shard
    own = [number for number in plan.blocks(size) if number % n_shards == shard - 1]
    with open_journal(work, run.shard) as journal:
        done = finished_blocks(work, len(plan.blocks(size)))
        todo = [number for number in own if number not in done or not is_whole(done[number], Path(job.out))]
        if len(todo) < len(own):
            _LOGGER.info("going on: %d of %d blocks are done", len(own) - len(todo), len(own))

        def tasks() -> Iterator[Task]:
            drawing = pipeline(job)
            for number in todo:
                utterances = plan.block(number, size)
                yield Task(number, tuple((one, drawing.orders(one, plan.utterances)) for one in utterances))

        made_s, started = 0.0, time.monotonic()
        total = sum(min(size, len(plan.utterances) - number * size) for number in own)
        left = sum(min(size, len(plan.utterances) - number * size) for number in todo)
        work_of = _Work(job)
        prepare = work_of.prepare if todo else None
        make = scheduler(workers=run.workers, address=run.address, name=_block, prepare=prepare)
        made = make(work_of, tasks())
        with contextlib.closing(made), progress("augmenting", total, unit="utterances", start=total - left) as bar:
            for outcome in made:
                for failure in outcome.failures:
                    _LOGGER.warning("%s", failure.message)
                journal.append(outcome.line)
                made_s += outcome.audio_s
                bar.show(x_real_time=made_s / max(time.monotonic() - started, 1e-9))
                bar.advance(min(size, len(plan.utterances) - outcome.number * size))
    return made_s


def _block(task: Task) -> str:
    return f"block {task.number}"


@dataclass(frozen=True)
class _Work:
    """Makes a block of one job; an object and no closure, so that it can be sent to another process."""

    job: Job

    def prepare(self) -> None:
        """Load libraries and model."""
        pipeline(self.job)

    def __call__(self, task: Task) -> Outcome:
        return run_task(self.job, task)


def hash_model(model: Path) -> str:
    """Return a hash over what of a model decides: config, weights and basis; CheckpointError when there is none."""
    from sepvae.augmentation.basis import BASIS, BASIS_FACTS
    from sepvae.estimator.checkpoint import CONFIG, WEIGHTS, find_model_folder

    folder = find_model_folder(model)
    files = [folder / name for name in (CONFIG, WEIGHTS, BASIS, BASIS_FACTS)]
    return hash_json({path.name: hash_file(path) for path in files if path.is_file()})


def _found(folder: Path, run: Run, started: float) -> Summary:
    """Return the summary of a run that was finished before; InputError when it has lost files since."""
    check_files(folder)
    _LOGGER.info("%s: complete, nothing to make", folder)
    rewrite_manifests(folder, run.paths)
    return _summary(folder, 0.0, started)


def _summary(folder: Path, made_s: float, started: float) -> Summary:
    final = read_final(folder)
    return Summary(str(folder), True, final["n_records"], final["n_failures"], made_s, time.monotonic() - started)
