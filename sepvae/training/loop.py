"""The one training loop: step, validate, log, save; for any model, objective and device, on one process or many."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import nn

from sepvae.devices import FixedPrecision, resolve_device, resolve_precision
from sepvae.errors import ConfigError, InputError, MissingExtra
from sepvae.estimator.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from sepvae.estimator.estimator import Estimator
from sepvae.files import hash_json, make_folder, output_error, write_json
from sepvae.mixing.manifest import Mixture
from sepvae.objectives.contract import Batch, Loss, Objective
from sepvae.parts import remove_left
from sepvae.processes import one_thread
from sepvae.progress import Job
from sepvae.progress import progress as progress_bar
from sepvae.seeds import derive_seed
from sepvae.training.batches import BatchPlace, TrainingBatches
from sepvae.training.config import OptimiserConfig, TrainingConfig, fresh_checkpoint
from sepvae.training.facts import output_names, with_facts
from sepvae.training.frame_batches import FrameBatches
from sepvae.training.logs import TrainingLog
from sepvae.training.optimisers import make_optimisers
from sepvae.training.state import Progress, load_state, save_state
from sepvae.training.wave_batches import WaveBatches

_LOGGER = logging.getLogger(__name__)
_SMALL_NETWORK = 2_000_000


@dataclass(frozen=True)
class TrainingData:
    """The mixtures to learn from, those to validate on (may be none), and the folder of their corpus."""

    train: Sequence[Mixture]
    valid: Sequence[Mixture]
    root: Path

    @property
    def hash(self) -> str:
        """Content hash of the mixtures, which name their sources by hash."""
        return hash_json([[mixture.to_json() for mixture in split] for split in (self.train, self.valid)])


class _Step(nn.Module):
    """Estimator and objective as one module, so that one call is one forward pass for any parallel strategy."""

    def __init__(self, estimator: Estimator, objective: Objective) -> None:
        super().__init__()
        self.estimator, self.objective = estimator, objective

    def forward(self, batch: Batch) -> Loss:
        models: Any = self.estimator if self.objective.domain == "waves" else self.estimator.models
        return self.objective(models, batch)


@contextmanager
def _seeded_weights(seed: int) -> Iterator[None]:
    """Make the initial weights follow from the seed: torch's layers draw from the global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "weights"))
        yield


def _seed_layers(seed: int, device: torch.device) -> None:
    """Seed the generator that layers draw from; torch.manual_seed does it too, but takes 0.3 ms without a GPU."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


def _fitting_threads(n_weights: int, device: torch.device) -> AbstractContextManager[None]:
    """Train a small network on one core: the others gain it nothing, and wait for each other when the machine is busy.

    Measured on two cores with the survey's network: two threads are no faster than one on an idle machine, and twenty
    times slower beside another busy process.
    """
    return one_thread() if device.type == "cpu" and n_weights < _SMALL_NETWORK else nullcontext()


def _fabric(device: str, precision: FixedPrecision) -> Any:
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise MissingExtra("training", "train", error) from error
    resolve_device(device)
    # Fabric announces the precision to the user, in its own words and at every start.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    accelerator = {"auto": "auto", "cpu": "cpu", "mps": "mps"}.get(device, "cuda")
    world = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    devices: Any = world
    if world == 1 and ":" in device:
        devices = [int(device.partition(":")[2])]
    fabric = Fabric(
        accelerator=accelerator,
        devices=devices,
        num_nodes=int(os.environ.get("WORLD_SIZE", "1")) // world,
        strategy="ddp" if "WORLD_SIZE" in os.environ else "auto",
        precision=precision,
    )
    fabric.launch()
    return fabric


def learning_rate(config: OptimiserConfig, step: int, total_steps: int) -> float:
    """Return the learning rate at a step: constant, or a rise and then a fall to nothing along a cosine.

    `one_cycle` rises over the first 30 % of the steps (Smith & Topin 2019), `cosine` over the first 3 %
    (Loshchilov & Hutter 2017, without restarts).
    """
    if config.schedule == "constant":
        return config.learning_rate
    rise = 0.3 if config.schedule == "one_cycle" else 0.03
    position = (step + 1) / total_steps
    if position < rise:
        return config.learning_rate * (0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * position / rise)))
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (position - rise) / (1 - rise)))


class Trainer:
    """One training run in a folder: `model/` (the best so far), `state/` (to resume), `log.csv`, `tensorboard/`."""

    def __init__(self, config: TrainingConfig, data: TrainingData, out: Path, *, seed: int, device: str) -> None:
        config, valid = with_facts(config, data.train, data.valid)
        data = TrainingData(data.train, valid, data.root)
        self.config, self.optim, self.out, self.seed = config, config.optimiser, make_folder(out), seed
        # Of a run that was killed: this one may have nothing left to write.
        remove_left(out, below=True)
        self.precision = resolve_precision(config.optimiser.precision, device)
        self.data, self.fabric = data, _fabric(device, self.precision)
        if config.optimiser.batch_size % self.fabric.world_size:
            raise ConfigError(
                f"optimiser.batch_size = {config.optimiser.batch_size}: must be a multiple of the "
                f"{self.fabric.world_size} processes"
            )
        with _seeded_weights(seed):
            self.checkpoint = fresh_checkpoint(config, output_names(config, data.train))
        self.estimator = self.checkpoint.estimator
        objective = config.objective.build()
        place = BatchPlace(seed, self.fabric.global_rank, self.fabric.world_size, self.fabric.device)
        with self.fabric.rank_zero_first():
            make_batches = WaveBatches if objective.domain == "waves" else FrameBatches
            self.batches: TrainingBatches = make_batches(
                config, self.estimator, (data.train, data.valid), root=data.root, cache=out / "data", place=place
            )
        self.batches.prepare(self.estimator.models)
        step = _Step(self.estimator, objective)
        self.optimisers = make_optimisers(step.parameters(), self.optim)
        self.step, *self.wrapped_optimisers = self.fabric.setup(step, *self.optimisers)
        self.weights = [list(network.parameters()) for network in self.estimator.networks.values()]
        self.bad_items: list[dict[str, Any]] = []

    def run(self) -> Progress:
        """Train until the last epoch or until validation has not improved for `patience` epochs.

        Raises:
            ConfigError: another process trains in the folder, or it holds another run.
            OutputError: it takes no more.
            InputError: losses that stay NaN.
        """
        if not self.fabric.is_global_zero:
            return self._run()
        lock = FileLock(self.out / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ConfigError(
                f"{self.out}: another process trains here: wait for it, or choose another --out"
            ) from None
        except OSError as error:
            raise output_error(self.out, error) from error
        try:
            return self._run()
        finally:
            lock.release()

    def _run(self) -> Progress:
        stored = self.checkpoint.config.model_dump(mode="json")
        key = hash_json([stored, self.config.model_dump(mode="json"), self.data.hash, self.seed])
        networks = self.estimator.networks
        restored = load_state(self.out / "state", key=key, networks=networks, optimisers=self.optimisers)
        state = restored or Progress(key)
        if state.finished:
            _LOGGER.info("%s: already trained", self.out)
            return state
        log = TrainingLog(self.out, state.history, enabled=self.fabric.is_global_zero)
        steps = self.batches.steps_per_pass
        bar_of_steps = progress_bar("train", self.optim.epochs * steps, unit="steps", start=state.step)
        threads = _fitting_threads(self.estimator.n_weights, self.fabric.device)
        with bar_of_steps as bar, log, threads, torch.random.fork_rng(devices=[]):
            while not state.finished:
                row = self._epoch(state, steps, bar)
                state.epoch += 1
                state.history.append({"epoch": state.epoch, "step": state.step, **row})
                self._judge(state, row)
                log.write(state.history)
                if self.fabric.is_global_zero:
                    save_state(self.out / "state", state, networks=networks, optimisers=self.optimisers)
                self.fabric.barrier()
        return state

    def _epoch(self, state: Progress, steps: int, bar: Job) -> dict[str, float]:
        """Make one pass over the data and return its mean losses, speed and validation losses."""
        started, good = time.perf_counter(), 0
        names, total = tuple[str, ...](), torch.zeros((), device=self.fabric.device)
        for _ in range(steps):
            batch = self.batches.draw(state.step)
            rate = learning_rate(self.optim, state.step, steps * self.optim.epochs)
            for group in (group for optimiser in self.optimisers for group in optimiser.param_groups):
                group["lr"] = rate
            # Dropout draws from the global generator: give it the stream of this step.
            _seed_layers(derive_seed(self.seed, "layers", state.step, self.fabric.global_rank), self.fabric.device)
            loss = self.step(batch)
            if self._update(loss):
                good, state.bad_in_a_row = good + 1, 0
                names = ("total", *loss.terms)
                total = total + torch.stack([loss.total, *loss.terms.values()]).detach()
            else:
                state.bad_in_a_row += 1
                self._report_bad(state.step, state.bad_in_a_row)
            state.step += 1
            bar.advance(1)
        seconds = time.perf_counter() - started
        frames = steps * self.batches.frames_per_step
        row = {"learning_rate": rate, "seconds": round(seconds, 3), "frames_per_s": round(frames / seconds, 1)}
        # Each process has seen its share of every batch; the log is of the whole.
        if good:
            means = (self.fabric.all_reduce(total) / good).tolist()
            row |= {f"train/{name}": value for name, value in zip(names, means, strict=True)}
        row |= {f"valid/{name}": value for name, value in self._validate().items()}
        loss = row.get("valid/total", row.get("train/total", math.nan))
        bar.show(milestone=True, loss=loss, epoch=state.epoch + 1)
        return row

    def _update(self, loss: Loss) -> bool:
        """Take a step of the optimisers unless loss or gradients are not finite, and say whether it was taken."""
        for optimiser in self.wrapped_optimisers:
            optimiser.zero_grad()
        if not self._all_ranks(bool(torch.isfinite(loss.total))):
            return False
        self.fabric.backward(loss.total)
        # Clipped per source: one source's gradients say nothing about another's.
        norms = [nn.utils.get_total_norm([w.grad for w in own if w.grad is not None]) for own in self.weights]
        if not bool(torch.isfinite(torch.stack(norms)).all()):
            return False
        if self.optim.gradient_clip:
            for own, norm in zip(self.weights, norms, strict=True):
                nn.utils.clip_grads_with_norm_(own, self.optim.gradient_clip, norm)
        for optimiser in self.wrapped_optimisers:
            optimiser.step()
        return True

    def _all_ranks(self, flag: bool) -> bool:
        """Return whether the flag holds on every process, so that all skip a step together."""
        if self.fabric.world_size == 1:
            return flag
        return bool(self.fabric.all_reduce(torch.tensor(float(flag)), reduce_op="sum") == self.fabric.world_size)

    def _report_bad(self, step: int, in_a_row: int) -> None:
        items = self.batches.items(step)
        self.bad_items.append({"step": step, "items": items})
        write_json(self.out / f"bad_steps_{self.fabric.global_rank}.json", self.bad_items)
        _LOGGER.warning("step %d skipped: loss or gradient is not finite; mixtures: %s", step, ", ".join(items))
        if in_a_row > self.optim.max_bad_steps:
            raise InputError(
                f"training stopped at step {step}: {in_a_row} steps in a row gave a loss or gradient that is NaN or "
                f"infinite; mixtures: {', '.join(items)} (all in {self.out}/bad_steps_*.json): check these recordings, "
                "or lower optimiser.learning_rate or set optimiser.gradient_clip"
            )

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        self.step.eval()
        sums: dict[str, float] = {}
        total = 0
        for batch, items, weight in self.batches.validation():
            loss = self.step(batch)
            if not torch.isfinite(loss.total):
                named = ", ".join(items)
                raise InputError(f"the validation loss is NaN or infinite; mixtures: {named}: check these recordings")
            for name, term in {"total": loss.total, **loss.terms}.items():
                sums[name] = sums.get(name, 0.0) + float(term) * weight
            total += weight
        self.step.train()
        return {name: value / total for name, value in sums.items()}

    def _judge(self, state: Progress, row: dict[str, float]) -> None:
        """Keep the model when it is the best so far, or the latest where there is nothing to validate on."""
        judged = row.get("valid/total")
        better = judged is None or state.best_loss is None or judged < state.best_loss
        state.epochs_since_best = 0 if better else state.epochs_since_best + 1
        stop_early = bool(self.optim.patience) and state.epochs_since_best >= self.optim.patience
        state.finished = state.epoch >= self.optim.epochs or stop_early
        # An epoch without one good step has learnt nothing that should replace a model, or be one.
        if better and "train/total" in row:
            state.best_loss = judged
            losses = {name: value for name, value in row.items() if "/" in name}
            if self.fabric.is_global_zero:
                provenance = {
                    **self.checkpoint.provenance,
                    "seed": self.seed,
                    "data_hash": self.data.hash,
                    "precision": self.precision,
                    "epoch": state.epoch,
                    "step": state.step,
                    "losses": losses,
                }
                save_checkpoint(self.out / "model", self.checkpoint, provenance=provenance)


def train(config: TrainingConfig, data: TrainingData, out: Path, *, seed: int = 0, device: str = "auto") -> Checkpoint:
    """Train one model per source of the mixtures and return the best.

    A run that was stopped continues where it was; a finished one is returned as it is.

    Args:
        config: model, objective, front-end and optimiser.
        data: mixtures of the train and valid splits.
        out: folder of the run; the model is in its `model` folder.
        seed: of the weights, the order of the batches and the noise.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`; under torchrun each process takes its own.

    Raises:
        ConfigError: impossible settings, or `out` holds another run.
        InputError: no data, or losses that stay NaN; the message names the mixtures.
        MissingExtra: Lightning Fabric is not installed.
    """
    Trainer(config, data, out, seed=seed, device=device).run()
    return load_checkpoint(out)
