"""Batches of features: segments of the frames of the mixtures, cached once as large tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from sepvae.errors import InputError
from sepvae.estimator.estimator import Estimator
from sepvae.mixing.manifest import Mixture
from sepvae.mixing.one_class import mixtures_of_one_class
from sepvae.models.network import Network
from sepvae.objectives.contract import END_OF_SCHEDULE, Batch, Sequences
from sepvae.seeds import torch_generator
from sepvae.training.batches import BatchOrder, BatchPlace, FrameTable, build_table
from sepvae.training.config import TrainingConfig

# Validation stores nothing for a backward pass, so its batches can be larger.
_VALIDATION_FACTOR = 8
_FRAMES_TO_STANDARDISE = 100_000


def _with_labels(
    train: Sequence[Mixture], valid: Sequence[Mixture], sources: Sequence[str]
) -> tuple[list[Mixture], list[Mixture]]:
    """Return mixtures, and behind them such of each source by itself; InputError when nothing tells sources apart."""
    alone = mixtures_of_one_class(train)
    if lacking := set(sources) - {mixture.sources[0].name for mixture in alone}:
        raise InputError(
            f"source {min(lacking)}: is heard in one training mixture alone, and a mixture of this source by itself is "
            "made of two: give more mixtures"
        )
    return [*train, *alone], [*valid, *mixtures_of_one_class(valid)]


class FrameBatches:
    """The batches of an objective on features; see `TrainingBatches`."""

    def __init__(
        self,
        config: TrainingConfig,
        estimator: Estimator,
        splits: tuple[Sequence[Mixture], Sequence[Mixture]],
        *,
        root: Path,
        cache: Path,
        place: BatchPlace,
    ) -> None:
        self._optim, self._place, self._context = config.optimiser, place, estimator.context_frames
        # An item shorter than a segment: the segment and its context run into the margin, never into the next item.
        margin = self._context + self._optim.segment_frames

        def table(mixtures: Sequence[Mixture], name: str) -> FrameTable:
            built = build_table(
                mixtures,
                estimator.sources,
                root=root,
                frontend=estimator.frontend,
                margin=margin,
                cache=cache / name,
            )
            return built.to(place.device) if place.device.type != "cpu" else built

        self._from_labels = config.objective.entry.from_labels
        train, valid = _with_labels(*splits, estimator.sources) if self._from_labels else splits
        self._labels = {mixture.id: {source.name for source in mixture.sources} for mixture in (*train, *valid)}
        self._speakers = {mixture.id: mixture.sources[0].speaker for mixture in (*train, *valid)}
        self.table = table(train, "train")
        self.valid_table = table(valid, "valid") if valid else None
        self._rows = self.table.segment_rows(self._optim.segment_frames, hop_frames=self._optim.hop_frames).to(
            place.device
        )
        self._order = BatchOrder(
            len(self._rows), batch_size=self._optim.batch_size, seed=place.seed, rank=place.rank, world=place.world
        )
        self.batch_size, self.steps_per_pass = self._order.batch_size, self._order.steps_per_pass
        self.frames_per_step = self.batch_size * self._optim.segment_frames

    def _segments(self, step: int) -> Tensor:
        return self._rows[self._order.segments(step).to(self._rows.device)]

    def _batch(self, table: FrameTable, rows: Tensor, step: int, *names: str | int) -> Batch:
        features, targets = table.segments(
            rows, segment_frames=self._optim.segment_frames, context_frames=self._context
        )
        numbers = table.number_of_each(rows)
        speakers = [self._speakers[table.items[number]] for number in numbers.tolist()]
        last, hop = (table.n_frames[numbers] - self._optim.segment_frames).clamp_min(0), self._optim.hop_frames
        # One every hop, and one more that is flush with the end.
        counts = 1 + (last + hop - 1) // hop
        sequences = Sequences(numbers.to(rows.device), counts.to(rows.device))
        stream = torch_generator(self._place.seed, *names, device=str(self._place.device))
        if not self._from_labels:
            return Batch(features, targets, step, stream, speakers, sequences)
        labels = [self._labels[table.items[number]] for number in numbers.tolist()]
        present = {name: torch.tensor([name in one for one in labels], device=rows.device) for name in targets}
        return Batch(features, {}, step, stream, speakers, sequences, present)

    def prepare(self, models: Mapping[str, Network]) -> None:
        """Let networks start from the targets, and take mean and spread of the features from some frames."""
        for name, network in models.items():
            network.calibrate(self.table.input if self._from_labels else self.table.targets[name])
            inputs, targets = self.table.some_frames(name, _FRAMES_TO_STANDARDISE)
            network.standardise(inputs, inputs if self._from_labels else targets)

    def draw(self, step: int) -> Batch:
        """Return the batch of a step."""
        return self._batch(self.table, self._segments(step), step, "noise", step, self._place.rank)

    def items(self, step: int) -> list[str]:
        """Return the names of the mixtures in the batch of a step."""
        return self.table.items_of(self._segments(step))

    def validation(self) -> Iterator[tuple[Batch, list[str], int]]:
        """Yield batches of all validation segments, the mixtures in them and the number of segments."""
        if self.valid_table is None:
            return
        rows = self.valid_table.segment_rows(self._optim.segment_frames, hop_frames=self._optim.hop_frames).to(
            self._place.device
        )
        for number, part in enumerate(torch.split(rows, _VALIDATION_FACTOR * self.batch_size)):
            batch = self._batch(self.valid_table, part, END_OF_SCHEDULE, "valid", number)
            yield batch, self.valid_table.items_of(part), len(part)
