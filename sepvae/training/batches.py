"""Where batches come from, and the features of mixtures as large tables, cached once, of which batches are segments.

The order of the frames and the noise of a batch depend on (seed, step) alone, so a resumed run, or one on several
processes, sees the same batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from sepvae.errors import InputError
from sepvae.files import atomic_folder, hash_json, read_json, write_json
from sepvae.frontend.frontend import Frontend
from sepvae.mixing.manifest import Mixture
from sepvae.mixing.mixture import render
from sepvae.models.network import Network
from sepvae.objectives.contract import Batch
from sepvae.progress import progress
from sepvae.seeds import torch_generator
from sepvae.training.tables import writing_table

_INDEX = "index.json"


@dataclass(frozen=True)
class BatchPlace:
    """Whose batches: the seed of the run, this process among how many, and where its tensors live."""

    seed: int
    rank: int
    world: int
    device: torch.device


class TrainingBatches(Protocol):
    """Where the training loop takes its batches from.

    `batch_size` counts the items of all processes together, `steps_per_pass` the steps of an epoch, and
    `frames_per_step` the frames of a step, for the log.
    """

    batch_size: int
    steps_per_pass: int
    frames_per_step: int

    def prepare(self, models: Mapping[str, Network]) -> None:
        """Let the network of each source see, before the first step, what it is to learn from."""
        ...

    def draw(self, step: int) -> Batch:
        """Return this process's batch of a step."""
        ...

    def items(self, step: int) -> list[str]:
        """Return the names of the mixtures that the batch of a step is made of."""
        ...

    def validation(self) -> Iterator[tuple[Batch, list[str], int]]:
        """Yield batches of the validation mixtures, the names of these, and the weight of the batch in the mean."""
        ...


@dataclass(frozen=True)
class FrameTable:
    """Frames of all items one below the other, each item between `margin` frames of silence on both sides.

    `input` is (rows, n_inputs), each target (rows, n_outputs); `first_row` and `n_frames` locate each item.
    """

    items: tuple[str, ...]
    first_row: Tensor
    n_frames: Tensor
    input: Tensor
    targets: Mapping[str, Tensor]

    def segment_rows(self, segment_frames: int, *, hop_frames: int | None = None) -> Tensor:
        """Return the first rows (segments,) of all segments: one every hop, and one flush with the end of each item.

        Without a hop they are back to back.
        """
        starts = []
        for first, count in zip(self.first_row.tolist(), self.n_frames.tolist(), strict=True):
            last = max(count - segment_frames, 0)
            offsets = torch.arange(0, last + 1, hop_frames or segment_frames)
            starts.append(first + torch.unique(torch.cat([offsets, torch.tensor([last])])))
        return torch.cat(starts)

    def number_of_each(self, rows: Tensor) -> Tensor:
        """Return the number of the item that each of the rows (n,) belongs to, (n,)."""
        return torch.searchsorted(self.first_row, rows.cpu(), right=True) - 1

    def item_of_each(self, rows: Tensor) -> list[str]:
        """Return the name of the item that each of the rows (n,) belongs to."""
        return [self.items[index] for index in self.number_of_each(rows).tolist()]

    def some_frames(self, name: str, limit: int) -> tuple[Tensor, Tensor]:
        """Return input and target frames of the source called `name`, up to about `limit` evenly over all items."""
        step = max(1, int(self.n_frames.sum()) // limit)
        pairs = zip(self.first_row.tolist(), self.n_frames.tolist(), strict=True)
        rows = torch.cat(
            [
                torch.arange(first + min(number % step, count - 1), first + count, step)
                for number, (first, count) in enumerate(pairs)
            ]
        )
        rows = rows.to(self.input.device)
        return self.input.index_select(0, rows), self.targets[name].index_select(0, rows)

    def items_of(self, rows: Tensor) -> list[str]:
        """Return the names of the items that the rows (n,) belong to, each once."""
        return list(dict.fromkeys(self.item_of_each(rows)))

    def segments(self, rows: Tensor, *, segment_frames: int, context_frames: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Return input (batch, segment_frames + 2 · context_frames, …) and targets (batch, segment_frames, …)."""

        def take(table: Tensor, before: int, count: int) -> Tensor:
            index = rows[:, None] + torch.arange(-before, count - before, device=rows.device)
            return table.index_select(0, index.flatten()).view(len(rows), count, -1)

        wide = segment_frames + 2 * context_frames
        return take(self.input, context_frames, wide), {n: take(t, 0, segment_frames) for n, t in self.targets.items()}

    def to(self, device: torch.device) -> FrameTable:
        """Return the table with its frames on `device`."""
        targets = {name: table.to(device) for name, table in self.targets.items()}
        return FrameTable(self.items, self.first_row, self.n_frames, self.input.to(device), targets)


def source_names(mixtures: Sequence[Mixture]) -> list[str]:
    """Return the names of the sources of some mixtures in order of first appearance; InputError when there are none."""
    names = list(dict.fromkeys(source.name for mixture in mixtures for source in mixture.sources))
    if not names:
        raise InputError("no mixtures to learn from: the manifest has none in this split; make some with 'sepvae mix'")
    return names


def check_rate(mixtures: Sequence[Mixture], sample_rate: int) -> None:
    """Raise InputError when a mixture is not sampled at the rate of the front-end."""
    for mixture in mixtures:
        if mixture.sample_rate != sample_rate:
            raise InputError(
                f"mixture {mixture.id} is sampled at {mixture.sample_rate} Hz, the front-end works at {sample_rate} Hz:"
                " set frontend.sample_rate, or make the mixtures anew"
            )


def build_table(
    mixtures: Sequence[Mixture], names: Sequence[str], *, root: Path, frontend: Frontend, margin: int, cache: Path
) -> FrameTable:
    """Return the frame table of some mixtures, from `cache` when it holds the same mixtures and front-end.

    Args:
        mixtures: mixtures of one split.
        names: sources to take as targets; one that a mixture has not is silent in it.
        root: folder of the corpus they draw from.
        margin: silent frames around each item, at least the model's context and segment length together.
        cache: folder of the table; written atomically when missing or out of date.

    Raises:
        InputError: a mixture that cannot be rebuilt, or at another rate than the front-end's.
    """
    check_rate(mixtures, frontend.config.sample_rate)
    key = hash_json([[m.to_json() for m in mixtures], list(names), frontend.config.model_dump(mode="json"), margin])
    if not (cache / _INDEX).is_file() or read_json(cache / _INDEX)["key"] != key:
        _write_table(mixtures, names, key=key, root=root, frontend=frontend, margin=margin, cache=cache)
    index = read_json(cache / _INDEX)

    def load(name: str) -> Tensor:
        # Copy-on-write, because torch takes no read-only arrays; nothing is ever written.
        return torch.from_numpy(np.load(cache / name, mmap_mode="c", allow_pickle=False))

    targets = {name: load(f"target_{number}.npy") for number, name in enumerate(names)}
    first_row, n_frames = torch.tensor(index["first_row"]), torch.tensor(index["n_frames"])
    return FrameTable(tuple(index["items"]), first_row, n_frames, load("input.npy"), targets)


def _write_table(
    mixtures: Sequence[Mixture],
    names: Sequence[str],
    *,
    key: str,
    root: Path,
    frontend: Frontend,
    margin: int,
    cache: Path,
) -> None:
    counts = [frontend.stft.n_frames(mixture.n_samples) for mixture in mixtures]
    first_rows = (margin + np.cumsum([0] + [count + margin for count in counts[:-1]])).tolist()
    n_rows = sum(counts) + margin * (len(counts) + 1)
    widths = [frontend.input.n_features, *[frontend.target.n_features] * len(names)]
    # Silence is not 0 in every feature: the margins hold the features of a zero spectrum.
    silence = torch.zeros((margin, frontend.stft.n_bins), dtype=torch.complex64)
    silent_rows = [frontend.input(silence).numpy(), *[frontend.target(silence).numpy()] * len(names)]
    with atomic_folder(cache) as folder:
        with ExitStack() as stack, progress("features", len(mixtures), unit="mixtures") as bar:
            files = ["input.npy", *(f"target_{number}.npy" for number in range(len(names)))]
            tables = [
                stack.enter_context(writing_table(folder / file, (n_rows, width)))
                for file, width in zip(files, widths, strict=True)
            ]
            for table, rows in zip(tables, silent_rows, strict=True):
                table.write(0, rows)
            for mixture, first, count in zip(mixtures, first_rows, counts, strict=True):
                features, spectra = _features(mixture, names, root=root, frontend=frontend)
                for table, found, rows in zip(tables, (features, *spectra), silent_rows, strict=True):
                    table.write(first, found.numpy())
                    table.write(first + count, rows)
                bar.advance(1)
        items = [mixture.id for mixture in mixtures]
        write_json(folder / _INDEX, {"key": key, "items": items, "first_row": first_rows, "n_frames": counts})


def _features(mixture: Mixture, names: Sequence[str], *, root: Path, frontend: Frontend) -> tuple[Tensor, Tensor]:
    """Return the features of a mixture (frames, n_inputs) and of its sources (sources, frames, n_outputs)."""
    rendered = render(mixture, root)
    silent = np.zeros_like(rendered.mixture)
    sources = np.stack([rendered.sources.get(name, silent) for name in names])
    features, spectra = frontend.training_pair(torch.from_numpy(rendered.mixture), torch.from_numpy(sources))
    if not (torch.isfinite(features).all() and torch.isfinite(spectra).all()):
        raise InputError(f"mixture {mixture.id}: its features are not finite; check its source files")
    return features, spectra


class BatchOrder:
    """Which segments the batch of each step holds, for one process of several.

    Args:
        n_segments: segments in the table.
        batch_size: segments in a step, over all processes; a table smaller than that is one batch.
        rank: this process.
        world: number of processes; divides `batch_size`.

    Raises:
        InputError: fewer segments than processes.
    """

    def __init__(self, n_segments: int, *, batch_size: int, seed: int, rank: int = 0, world: int = 1) -> None:
        if n_segments < world:
            raise InputError(f"{n_segments} segments to learn from for {world} processes: give more mixtures")
        # Every process takes as many segments, or the mean of their gradients would not be that of the batch.
        self.batch_size = min(batch_size, n_segments // world * world)
        self.steps_per_pass = n_segments // self.batch_size
        self._n_segments, self._seed, self._rank, self._world = n_segments, seed, rank, world
        self._pass, self._order = -1, torch.empty(0, dtype=torch.long)

    def segments(self, step: int) -> Tensor:
        """Return the indices of this process's segments at a step."""
        number, position = divmod(step, self.steps_per_pass)
        if number != self._pass:
            generator = torch_generator(self._seed, "order", number)
            self._pass, self._order = number, torch.randperm(self._n_segments, generator=generator)
        batch = self._order[position * self.batch_size : (position + 1) * self.batch_size]
        return batch[self._rank :: self._world]
