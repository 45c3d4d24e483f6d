"""One utterance through the methods: read once, checked, changed, labelled; bad files become failures with a reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sepvae import plugins
from sepvae.audio import Wave
from sepvae.augmentation.contract import Augmentation, DrawContext, augmentation_class, split_chain
from sepvae.augmented import CONTENTS
from sepvae.augmented.config import AugmentConfig
from sepvae.augmented.contents import Contents
from sepvae.augmented.records import Failure, Record, record_id, scale_labels, within
from sepvae.augmented.usable import UnusableError, read_utterance
from sepvae.augmented.writers.contract import Block, RecordWriter
from sepvae.batch import one_of_many
from sepvae.config import parse_config
from sepvae.corpora.records import Utterance
from sepvae.errors import ConfigError, InputError, MissingExtra, OutOfMemory, OutputError, SepvaeError
from sepvae.files import to_json
from sepvae.seeds import derive_seed

# The largest amplitude of integer formats: beyond it a record is made quieter as a whole instead of being clipped.
_FULL_SCALE = 1 - 2.0**-15


@dataclass(frozen=True)
class RunSpec:
    """What every block of a run has in common; plain data, so that it can be sent to any process or machine.

    `config` is an `AugmentConfig` as JSON, `plugins` what a worker has to load first.
    """

    root: str
    out: str
    config: str
    sample_rate: int
    model: str | None = None
    model_hash: str | None = None
    device: str = "cpu"
    strict: bool = False
    plugins: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecordSpec:
    """A record to be made: the method, which copy, its seed, and the drawn parameters, or why there are none."""

    method: str
    copy: int
    seed: int
    parameters: tuple[dict[str, Any], ...]
    failure: str = ""


@dataclass(frozen=True)
class Task:
    """A block of utterances with what is to be made of each; the smallest piece of a run."""

    number: int
    utterances: tuple[tuple[Utterance, tuple[RecordSpec, ...]], ...]


@dataclass(frozen=True)
class BlockResult:
    """What a block became: the line of the journal, made where the block was, and what progress shows of it."""

    number: int
    line: str
    failures: tuple[Failure, ...]
    audio_s: float


class Pipeline:
    """The augmentations of a run, built once in each process."""

    def __init__(self, spec: RunSpec) -> None:
        self.spec, self.root = spec, Path(spec.root)
        self.config = parse_config(AugmentConfig, json.loads(spec.config), where="the run")
        model = Path(spec.model) if spec.model else None
        self.steps: dict[str, Augmentation] = {}
        for name in self.config.names:
            step = augmentation_class(name)(
                self.config.settings_of(name), model=model, root=self.root, device=spec.device
            )
            if step.sample_rate not in (None, spec.sample_rate):
                raise ConfigError(
                    f"method {name}: its model works at {step.sample_rate} Hz, the corpus has {spec.sample_rate} Hz: "
                    "resample the corpus, or train another model"
                )
            self.steps[name] = step
        output = self.config.output
        self.contents: Contents = CONTENTS.resolve(output.holds)(output, spec.sample_rate)
        self.writer: RecordWriter = output.writer(output, Path(spec.out), spec.sample_rate)

    def draw(self, utterance: Utterance, pool: Sequence[Utterance]) -> tuple[RecordSpec, ...]:
        """Draw everything that is random about the records of one utterance: it depends on nothing but their names."""
        specs = []
        for method in self.config.methods:
            for copy in range(1, self.config.copies + 1):
                seed = derive_seed(self.config.seed, "augment", utterance.id, copy, method)
                context = DrawContext(utterance, np.random.Generator(np.random.PCG64(seed)), pool)
                try:
                    drawn = [{"name": name, **self.steps[name].draw(context)} for name in split_chain(method)]
                except InputError as error:
                    specs.append(RecordSpec(method, copy, seed, (), str(error)))
                else:
                    if self.contents.decoded:
                        drawn[-1]["synthesis"] = "decoded"
                    specs.append(RecordSpec(method, copy, seed, tuple(drawn)))
        return tuple(specs)

    def run(self, task: Task) -> BlockResult:
        """Make and write the records of a block.

        Raises:
            InputError: the run is strict, and a file is bad.
            OutputError: a record cannot be written.
        """
        failures: list[Failure] = []
        with self.writer.block(task.number) as block:
            for utterance, specs in task.utterances:
                failures += self._utterance(utterance, specs, block)
                if failures and self.spec.strict:
                    raise InputError(failures[0].message)
        value = {
            "block": task.number,
            "records": [record.to_json() for record in block.records],
            "failures": [asdict(failure) for failure in failures],
            "files": block.sizes(),
        }
        audio_s = sum(record.duration_s for record in block.records)
        return BlockResult(task.number, to_json(value), tuple(failures), audio_s)

    def _utterance(self, utterance: Utterance, specs: Sequence[RecordSpec], block: Block) -> list[Failure]:
        try:
            with one_of_many(utterance.path):
                wave = read_utterance(utterance, self.root, skip_damaged=self.config.skip_damaged)
        except (InputError, OutOfMemory) as error:
            code = error.code if isinstance(error, UnusableError) else "unreadable"
            return [Failure(code, utterance.path, within(str(error), self.spec.root))]
        failures = []
        for spec in specs:
            name, where = record_id(utterance.id, spec.method, spec.copy), f"{utterance.path}: {spec.method}: "
            try:
                if spec.failure:
                    raise InputError(spec.failure)
                # One file of a thousand hours must not end the run, whatever a library makes of it.
                with one_of_many(where.removesuffix(": ")):
                    made = self._made(utterance, wave, spec)
            except (ConfigError, OutputError, MissingExtra):
                raise  # about the run, not about this file
            except SepvaeError as error:
                message = where + within(str(error).removeprefix(where), self.spec.root)
                failures.append(Failure("method", utterance.path, message, name))
                continue
            block.add(*made)
        return failures

    def _made(self, utterance: Utterance, wave: Wave, spec: RecordSpec) -> tuple[Record, NDArray[np.float32]]:
        """Return a record, and its samples (channels, time) or features (frames, features)."""
        changed, scaled_by = self._fitted(self.apply(wave, spec))
        last = self.steps[split_chain(spec.method)[-1]]
        made, frames = self.contents.make(changed, last, spec.parameters[-1])
        return self._record(utterance, spec, changed, scaled_by=scaled_by, **frames), made

    def apply(self, wave: Wave, spec: RecordSpec) -> Wave:
        """Return the samples (channels, time') that the drawn parameters of a chain make, up to what is decoded."""
        chain = list(zip(split_chain(spec.method), spec.parameters, strict=True))
        for name, parameters in chain[:-1] if self.contents.decoded else chain:
            step = self.steps[name]
            n_expected = wave.shape[1] * step.time_scale(parameters)
            wave = step.apply(wave, self.spec.sample_rate, parameters)
            if abs(wave.shape[1] - n_expected) > 1:
                raise InputError(
                    f"{name} made {wave.shape[1]} samples, {n_expected:.0f} were to be: its labels are lost"
                )
            if not np.isfinite(wave).all():
                raise InputError(f"{name} made samples that are NaN or infinite")
        return wave

    def _fitted(self, wave: Wave) -> tuple[Wave, float]:
        """Make a record that would clip quieter, and return by what it was multiplied; what is decoded cannot clip."""
        peak = float(np.abs(wave).max(initial=0.0))
        if peak <= _FULL_SCALE or self.config.output.subtype == "float" or self.contents.decoded:
            return wave, 1.0
        scale = round(_FULL_SCALE / peak - 5e-7, 6)
        return (wave * np.float32(scale)).astype(np.float32), scale

    def _record(self, utterance: Utterance, spec: RecordSpec, wave: Wave, **made: Any) -> Record:
        n_samples = wave.shape[1]
        scale = n_samples / utterance.n_samples
        return Record(
            id=record_id(utterance.id, spec.method, spec.copy),
            utterance=utterance.id, source=utterance.path, method=spec.method, copy=spec.copy, seed=spec.seed,
            parameters=spec.parameters, speaker=utterance.speaker, sex=utterance.sex, split=utterance.split,
            sample_rate=self.spec.sample_rate, n_samples=n_samples, n_channels=wave.shape[0], text=utterance.text,
            words=scale_labels(utterance.words, scale, n_samples),
            phones=scale_labels(utterance.phones, scale, n_samples),
            dialect=utterance.dialect, prompt=utterance.prompt, model=self.spec.model_hash, **made,
        )  # fmt: skip


@lru_cache(maxsize=2)
def pipeline(spec: RunSpec) -> Pipeline:
    """Return the pipeline of a run: the same one for all blocks that a process makes; it loads the plug-ins first."""
    plugins.load(spec.plugins)
    return Pipeline(spec)


def run_task(spec: RunSpec, task: Task) -> BlockResult:
    """Make one block; the function that schedulers call."""
    return pipeline(spec).run(task)
