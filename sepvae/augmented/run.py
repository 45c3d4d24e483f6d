"""A whole corpus: planned once, made block by block on any scheduler, resumed after a kill, merged at the end.

The bytes of the result depend on the corpus and the settings alone: not on processes, shards, order or interruptions.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sepvae import plugins
from sepvae.augmentation.contract import augmentation_class
from sepvae.augmented.config import AugmentConfig
from sepvae.augmented.fingerprint import (
    CorpusSnapshot,
    fingerprint,
    hash_model,
    named_anywhere,
    with_absolute_paths,
)
from sepvae.augmented.folder import FINAL, KEPT, WORK, RunFolder, check_files, read_final
from sepvae.augmented.journal import Journal, finished_blocks, locked, lost_file, read_block
from sepvae.augmented.manifests import Paths
from sepvae.augmented.pipeline import BlockResult, RunSpec, Task, pipeline, run_task
from sepvae.augmented.plan import Plan
from sepvae.augmented.results import rewrite_manifests, write_results
from sepvae.augmented.room import bytes_made, check_room
from sepvae.augmented.schedulers import scheduler
from sepvae.corpora.records import Corpus
from sepvae.errors import ConfigError, InputError, OutputError
from sepvae.files import remove, to_json
from sepvae.parts import remove_left
from sepvae.progress import progress

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunSummary:
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
class RunOptions:
    """How to run, which changes nothing about the result: processes or a cluster, a shard, and how strict to be.

    `jobs` are processes; `address` is that of the scheduler of a Dask cluster; `shard` is (K, N), K from 1 to N;
    `paths` are those in the manifests. On another `device` than the processor the last bits of a model's results may
    differ.
    """

    jobs: int = 1
    address: str | None = None
    shard: tuple[int, int] = (1, 1)
    strict: bool = False
    overwrite: bool = False
    device: str = "cpu"
    paths: Paths = "relative"

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise ConfigError(f"jobs: {self.jobs}: give 1 or more")
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
    corpus: Corpus, out: str | Path, config: AugmentConfig, *, model: Path | None = None, run: RunOptions | None = None
) -> RunSummary:
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
    run, path, started = run or RunOptions(), Path(out), time.monotonic()
    _check_places(corpus, path, config, model)
    pipeline.cache_clear()
    model_hash = hash_model(model) if model else None
    mark = fingerprint(config, corpus.root, model_hash)
    folder = RunFolder(path, corpus, CorpusSnapshot.take(corpus), config, mark, run.shard, run.overwrite)

    def spec_of(plan: Plan) -> RunSpec:
        return RunSpec(
            root=str(corpus.root.resolve()), out=str(path.resolve()),
            config=to_json(with_absolute_paths(config, corpus.root)), sample_rate=plan.sample_rate,
            model=str(model.resolve()) if model else None, model_hash=model_hash,
            device=run.device, strict=run.strict, plugins=plugins.loaded(),
        )  # fmt: skip

    def check(plan: Plan) -> None:
        _refuse_failures(plan, run)
        drawing = pipeline(spec_of(plan))
        # What is there goes, but for the blocks of a run to go on with.
        if run.overwrite or not finished_blocks(folder.work):
            own = (one for number in _own_blocks(plan, run) for one in plan.block(number))
            check_room(path, plan, drawing, own, freed=bytes_made(path))

    if folder.has_nothing_to_make():
        return _found(folder, run, started)
    with folder.held(check) as plan:
        if plan is None:
            return _found(folder, run, started)
        _refuse_failures(plan, run)
        _announce(plan, config)
        made_s = _make_shard(plan, spec_of(plan), run, folder.work)
        if _finish(folder, plan, model_hash, run):
            return _summary(path, made_s, started)
        blocks = [read_block(place) for place in finished_blocks(folder.work).values()]
        n_records = sum(len(block["records"]) for block in blocks)
        n_failures = len(plan.failures) + sum(len(block["failures"]) for block in blocks)
    _LOGGER.info("shard %d/%d is done; the manifests come with the last one", *run.shard)
    return RunSummary(str(path), False, n_records, n_failures, made_s, time.monotonic() - started)


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


def _refuse_failures(plan: Plan, run: RunOptions) -> None:
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


def _finish(folder: RunFolder, plan: Plan, model_hash: str | None, run: RunOptions) -> bool:
    """Finish the run when all its blocks are made, by whichever shards; whether it is finished now."""
    work = folder.work
    if not folder.is_complete() and len(finished_blocks(work, plan.n_blocks)) < plan.n_blocks:
        return False
    with locked(work / "finish.lock", patient=True):
        if not folder.is_complete():
            finished = finished_blocks(work, plan.n_blocks)
            write_results(folder.path, plan, folder.config, model_hash=model_hash, finished=finished, paths=run.paths)
    plan.utterances.close()
    # Another shard that has seen the end at the same time may be at it too.
    with contextlib.suppress(OutputError):
        remove(work)
    return True


def _own_blocks(plan: Plan, run: RunOptions) -> list[int]:
    """Return the numbers of the blocks of this shard."""
    shard, n_shards = run.shard
    return [number for number in range(plan.n_blocks) if number % n_shards == shard - 1]


def _make_shard(plan: Plan, spec: RunSpec, run: RunOptions, work: Path) -> float:
    """Make the blocks of this shard that no journal has yet, and return the seconds of speech made."""
    own = _own_blocks(plan, run)
    with Journal.of_shard(work, run.shard) as journal:
        done, out = finished_blocks(work, plan.n_blocks), Path(spec.out)
        todo = [number for number in own if number not in done or lost_file(read_block(done[number]), out)]
        if len(todo) < len(own):
            _LOGGER.info("going on: %d of %d blocks are done", len(own) - len(todo), len(own))
        check_room(out, plan, pipeline(spec), (one for number in todo for one in plan.block(number)))

        def tasks() -> Iterator[Task]:
            drawing = pipeline(spec)
            for number in todo:
                yield Task(number, tuple((one, drawing.draw(one, plan.utterances)) for one in plan.block(number)))

        made_s, started = 0.0, time.monotonic()
        total, left = (sum(plan.size_of(number) for number in numbers) for numbers in (own, todo))
        work_of = _Work(spec)
        prepare = work_of.prepare if todo else None
        make = scheduler(workers=run.jobs, address=run.address, name=_block, prepare=prepare)
        made = make(work_of, tasks())
        with contextlib.closing(made), progress("augmenting", total, unit="utterances", start=total - left) as bar:
            for result in made:
                for failure in result.failures:
                    _LOGGER.warning("%s", failure.message)
                journal.append(result.line)
                made_s += result.audio_s
                bar.show(x_real_time=made_s / max(time.monotonic() - started, 1e-9))
                bar.advance(plan.size_of(result.number))
    return made_s


def _block(task: Task) -> str:
    return f"block {task.number}"


@dataclass(frozen=True)
class _Work:
    """Makes a block of one run; an object and no closure, so that it can be sent to another process."""

    spec: RunSpec

    def prepare(self) -> None:
        """Load libraries and model."""
        pipeline(self.spec)

    def __call__(self, task: Task) -> BlockResult:
        return run_task(self.spec, task)


def _found(folder: RunFolder, run: RunOptions, started: float) -> RunSummary:
    """Return the summary of a run that was finished before; InputError when it has lost files since."""
    check_files(folder.path)
    # What was stopped at its very end. Who has just finished the run may be at it too.
    remove_left(folder.path, below=True)
    with contextlib.suppress(OutputError):
        remove(folder.work)
    _LOGGER.info("%s: complete, nothing to make", folder.path)
    rewrite_manifests(folder.path, folder.config.output, run.paths)
    return _summary(folder.path, 0.0, started)


def _summary(path: Path, made_s: float, started: float) -> RunSummary:
    final = read_final(path)
    return RunSummary(str(path), True, final["n_records"], final["n_failures"], made_s, time.monotonic() - started)
