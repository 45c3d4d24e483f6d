"""One utterance through the methods: read once, checked, changed, labelled; bad files become failures with a reason."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from sepvae import audio
from sepvae.augmentation.contract import Augmentation, Decoding, Draw, augmentation_class, split_chain
from sepvae.augmented.config import AugmentConfig
from sepvae.augmented.features import LogMel
from sepvae.augmented.records import Failure, Record, record_id, scale_labels, within
from sepvae.augmented.writers.contract import Block, open_writer
from sepvae.config import parse_config
from sepvae.corpora.damaged_files import shifted
from sepvae.corpora.records import Utterance
from sepvae.errors import ConfigError, InputError, MissingExtra, OutputError
from sepvae.files import hash_json, to_json
from sepvae.mixing.noise import SILENCE_RMS
from sepvae.seeds import derive_seed

_LOGGER = logging.getLogger(__name__)

Wave = NDArray[np.float32]

# The largest amplitude of integer formats: beyond it a record is made quieter as a whole instead of being clipped.
_FULL_SCALE = 1 - 2.0**-15


class _SampleError(InputError):
    """A file that can be read, with samples that are no speech; `code` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Job:
    """What every block of a run has in common; plain data, so that it can be sent to any process or machine."""

    root: str
    out: str
    config: str  # JSON of AugmentConfig
    sample_rate: int
    model: str | None = None
    model_hash: str | None = None
    device: str = "cpu"
    strict: bool = False


@dataclass(frozen=True)
class Order:
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
    utterances: tuple[tuple[Utterance, tuple[Order, ...]], ...]


@dataclass(frozen=True)
class Outcome:
    """What a block became: the line of the journal, made where the block was, and what progress shows of it."""

    number: int
    line: str
    failures: tuple[Failure, ...]
    audio_s: float


class Pipeline:
    """The augmentations of a run, built once in each process."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.config = parse_config(AugmentConfig, json.loads(job.config), where="the run")
        model = Path(job.model) if job.model else None
        self.steps: dict[str, Augmentation] = {}
        for name in self.config.names:
            kind = augmentation_class(name)
            if kind.needs_model and model is None:
                raise ConfigError(f"method {name}: needs a model: give its folder with --model")
            settings = self.config.method_config(name)
            self.steps[name] = kind(settings, model=model, root=Path(job.root), device=job.device)
            if self.steps[name].sample_rate not in (None, job.sample_rate):
                raise ConfigError(
                    f"method {name}: its model works at {self.steps[name].sample_rate} Hz, the corpus has "
                    f"{job.sample_rate} Hz: resample the corpus, or train another model"
                )
        output = self.config.output
        self._decoding = output.holds == "decoded"
        self._log_mel = LogMel(output, job.sample_rate) if output.holds == "log_mel" else None

    def orders(self, utterance: Utterance, pool: Sequence[Utterance]) -> tuple[Order, ...]:
        """Draw everything that is random about the records of one utterance: it depends on nothing but their names."""
        orders = []
        for method in self.config.methods:
            for copy in range(1, self.config.copies + 1):
                seed = derive_seed(self.config.seed, "augment", utterance.id, copy, method)
                draw = Draw(utterance, np.random.Generator(np.random.PCG64(seed)), pool)
                try:
                    drawn = [{"name": name, **self.steps[name].draw(draw)} for name in split_chain(method)]
                except InputError as error:
                    orders.append(Order(method, copy, seed, (), str(error)))
                else:
                    if self._decoding:
                        drawn[-1]["synthesis"] = "decoded"
                    orders.append(Order(method, copy, seed, tuple(drawn)))
        return tuple(orders)

    def run(self, task: Task) -> Outcome:
        """Make and write the records of a block.

        Raises:
            InputError: the run is strict, and a file is bad.
            OutputError: a record cannot be written.
        """
        failures: list[Failure] = []
        with open_writer(self.config.output, Path(self.job.out), self.job.sample_rate).block(task.number) as block:
            for utterance, orders in task.utterances:
                failures += self._utterance(utterance, orders, block)
                if failures and self.job.strict:
                    raise InputError(failures[0].message)
        value = {
            "block": task.number,
            "records": [record.to_json() for record in block.records],
            "failures": [asdict(failure) for failure in failures],
            "files": block.sizes(),
        }
        audio_s = sum(record.duration_s for record in block.records)
        return Outcome(task.number, to_json(value), tuple(failures), audio_s)

    def _utterance(self, utterance: Utterance, orders: Sequence[Order], block: Block) -> list[Failure]:
        try:
            wave = self.load(utterance)
        except _SampleError as error:
            return [Failure(error.code, utterance.path, str(error))]
        except InputError as error:
            return [Failure("unreadable", utterance.path, within(str(error), self.job.root))]
        failures = []
        for order in orders:
            name = record_id(utterance.id, order.method, order.copy)
            try:
                if order.failure:
                    raise InputError(order.failure)
                made = self._made(utterance, wave, order)
            except (ConfigError, OutputError, MissingExtra):
                raise  # about the run, not about this file
            except Exception as error:
                # One file of a thousand hours must not end the run, whatever a library makes of it.
                _LOGGER.debug("%s", name, exc_info=True)
                reason = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
                message = f"{utterance.path}: {order.method}: {within(reason, self.job.root)}"
                failures.append(Failure("method", utterance.path, message, name))
                continue
            block.add(*made)
        return failures

    def _made(self, utterance: Utterance, wave: Wave, order: Order) -> tuple[Record, NDArray[np.float32]]:
        """Return a record, and its samples (channels, time) or features (frames, features)."""
        changed = self.apply(wave, order)
        if self._decoding:
            step = cast("Decoding", self.steps[split_chain(order.method)[-1]])
            decoded = step.features(changed[:1], self.job.sample_rate, order.parameters[-1])
            record = self._record(utterance, order, changed, 1.0)
            hop, first = step.hop_samples(), step.first_frame_centre()
            return replace(record, n_frames=len(decoded), hop_samples=hop, first_frame_centre=first), decoded
        changed, scaled_by = self._fitted(changed)
        record = self._record(utterance, order, changed, scaled_by)
        if self._log_mel is None:
            return record, changed
        features = self._log_mel(changed)
        hop, first = self._log_mel.hop_samples, self._log_mel.first_frame_centre
        return replace(record, n_frames=len(features), hop_samples=hop, first_frame_centre=first), features

    def load(self, utterance: Utterance) -> Wave:
        """Return the samples (channels, time) of an utterance; InputError when they are not what they should be."""
        path = Path(self.job.root) / utterance.path
        wave, rate = audio.read(path)
        if (rate, wave.shape[1]) != (utterance.sample_rate, utterance.n_samples):
            raise InputError(f"{utterance.path}: has changed since the run began: start again in another folder")
        if np.sqrt(np.square(wave, dtype=np.float64).mean()) < SILENCE_RMS:
            what = "silent: leave it out ('sepvae corpus validate' lists such files)"
            raise _SampleError("silent", f"{utterance.path}: {what}")
        if self.config.skip_damaged and shifted(path, wave):
            what = "noise from where a byte was lost on: copy the file again in binary mode ('sepvae corpus validate')"
            raise _SampleError("shifted_bytes", f"{utterance.path}: {what}")
        return wave

    def apply(self, wave: Wave, order: Order) -> Wave:
        """Return the samples (channels, time') that the drawn parameters of a chain make, up to what is decoded."""
        chain = list(zip(split_chain(order.method), order.parameters, strict=True))
        for name, parameters in chain[:-1] if self._decoding else chain:
            step = self.steps[name]
            n_expected = wave.shape[1] * step.time_scale(parameters)
            wave = step.apply(wave, self.job.sample_rate, parameters)
            if abs(wave.shape[1] - n_expected) > 1:
                raise InputError(
                    f"{name} made {wave.shape[1]} samples, {n_expected:.0f} were to be: its labels are lost"
                )
            if not np.isfinite(wave).all():
                raise InputError(f"{name} made samples that are NaN or infinite")
        return wave

    def _fitted(self, wave: Wave) -> tuple[Wave, float]:
        """Make a record that would clip quieter, and return by what it was multiplied."""
        peak = float(np.abs(wave).max(initial=0.0))
        if peak <= _FULL_SCALE or self.config.output.subtype == "float":
            return wave, 1.0
        scale = round(_FULL_SCALE / peak - 5e-7, 6)
        return (wave * np.float32(scale)).astype(np.float32), scale

    def _record(self, utterance: Utterance, order: Order, wave: Wave, scaled_by: float) -> Record:
        n_samples = wave.shape[1]
        scale = n_samples / utterance.n_samples
        return Record(
            id=record_id(utterance.id, order.method, order.copy),
            utterance=utterance.id, source=utterance.path, method=order.method, copy=order.copy, seed=order.seed,
            parameters=order.parameters, speaker=utterance.speaker, sex=utterance.sex, split=utterance.split,
            sample_rate=self.job.sample_rate, n_samples=n_samples, n_channels=wave.shape[0], text=utterance.text,
            words=scale_labels(utterance.words, scale, n_samples),
            phones=scale_labels(utterance.phones, scale, n_samples),
            dialect=utterance.dialect, prompt=utterance.prompt, scaled_by=scaled_by, model=self.job.model_hash,
        )  # fmt: skip


@lru_cache(maxsize=2)
def pipeline(job: Job) -> Pipeline:
    """Return the pipeline of a run: the same one for all blocks that a process makes."""
    return Pipeline(job)


def run_task(job: Job, task: Task) -> Outcome:
    """Make one block; the function that schedulers call."""
    return pipeline(job).run(task)


def fingerprint(settings: Mapping[str, Any], model_hash: str | None) -> str:
    """Return the hash of everything but the corpus that decides the bytes of a run, from `places.by_contents`."""
    return hash_json({"version": 2, "config": settings, "model": model_hash})
