"""Batches of waves: mixtures made anew at every step from the sources of the training mixtures (dynamic mixing).

What a batch holds depends on (seed, step, place in the batch) alone, so a resumed run, or one on several processes,
sees the same batches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from sepvae import audio
from sepvae.errors import ConfigError, InputError
from sepvae.estimator.estimator import Estimator
from sepvae.files import atomic_folder, hash_json, read_json, write_json
from sepvae.mixing.config import BACKGROUND
from sepvae.mixing.manifest import Mixture
from sepvae.mixing.mixture import render
from sepvae.models.contract import REST
from sepvae.models.network import Network
from sepvae.objectives.contract import END_OF_SCHEDULE, Batch
from sepvae.progress import progress
from sepvae.seeds import generator, torch_generator
from sepvae.training.batches import BatchPlace, check_rate
from sepvae.training.config import TrainingConfig
from sepvae.training.noises import NoiseRemix
from sepvae.training.scenes import Heard, Scenes
from sepvae.training.tables import writing_table

_INDEX, _WAVES = "index.json", "waves.npy"
_Value = TypeVar("_Value")
# Of two sources that share two speakers half of the draws are of two people.
_TRIES = 100


class WaveTable:
    """The sources (and the noise, last) of some mixtures: one long (sources + 1, samples) array, mapped from disk.

    Args:
        items: names of the mixtures.
        starts: where each begins, and where the last ends.
        waves: all of them.
        spans: of each mixture where a source begins and ends in it; the noise lasts as long as the mixture.
    """

    def __init__(
        self, items: list[str], starts: list[int], waves: NDArray[np.float32], spans: list[dict[int, slice]]
    ) -> None:
        self.items, self.starts, self.waves, self._spans = items, starts, waves, spans
        # Root mean square of each source, where it is, and of the noise in each mixture, (items, sources + 1).
        self.levels = np.array(
            [[np.sqrt(np.mean(np.square(self.row(i, row)))) for row in range(len(waves))] for i in range(len(items))]
        )
        self.level = float(np.sqrt(np.mean(np.square(self.levels[:, :-1]))))

    def __len__(self) -> int:
        return len(self.items)

    def item(self, index: int) -> NDArray[np.float32]:
        """Return the sources and the noise of a mixture (sources + 1, time)."""
        return self.waves[:, self.starts[index] : self.starts[index + 1]]

    def row(self, index: int, row: int) -> NDArray[np.float32]:
        """Return a source of a mixture (time,) without the silence that pads it to the length of the mixture."""
        return self.item(index)[row, self._spans[index].get(row, slice(None))]


def build_wave_table(mixtures: Sequence[Mixture], names: Sequence[str], *, root: Path, cache: Path) -> WaveTable:
    """Return the wave table of some mixtures, from `cache` when it holds the same mixtures.

    Args:
        mixtures: mixtures of one split.
        names: sources in their order; one that a mixture has not is silent in it.
        root: folder of the corpus they draw from.
        cache: folder of the table; written atomically when missing or out of date.

    Raises:
        InputError: a mixture that cannot be rebuilt.
    """
    key = hash_json([[mixture.to_json() for mixture in mixtures], list(names)])
    if not (cache / _INDEX).is_file() or read_json(cache / _INDEX)["key"] != key:
        starts = [0, *np.cumsum([mixture.n_samples for mixture in mixtures]).tolist()]
        with atomic_folder(cache) as folder, progress("waves", len(mixtures), unit="mixtures") as bar:
            with writing_table(folder / _WAVES, (len(names) + 1, starts[-1])) as table:
                for mixture, start in zip(mixtures, starts, strict=False):
                    rendered = render(mixture, root)
                    silent = np.zeros(mixture.n_samples, np.float32)
                    waves = [rendered.sources.get(name, silent) for name in names]
                    waves.append(silent if rendered.noise is None else rendered.noise)
                    for row, wave in enumerate(waves):
                        table.write(row, wave, column=start)
                    bar.advance(1)
            items = [mixture.id for mixture in mixtures]
            write_json(folder / _INDEX, {"key": key, "items": items, "starts": starts})
    index = read_json(cache / _INDEX)
    waves = np.load(cache / _WAVES, mmap_mode="r", allow_pickle=False)
    rows = {name: row for row, name in enumerate(names)}
    spans = [
        {
            rows[one.name]: slice(one.offset, one.offset + one.n_samples)
            for one in mixture.sources
            if one.name in rows and one.n_samples
        }
        for mixture in mixtures
    ]
    return WaveTable(index["items"], index["starts"], waves, spans)


def _one_of(values: list[_Value], stream: np.random.Generator) -> _Value:
    return values[int(stream.integers(len(values)))]


class WaveBatches:
    """The batches of an objective on waves; see `TrainingBatches`."""

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
        if config.optimiser.segment_frames != 1:
            raise ConfigError(
                f"optimiser.segment_frames = {config.optimiser.segment_frames}: objective {config.objective.kind} "
                "trains on waves, set waves.segment_s"
            )
        train, valid = splits
        for mixtures in splits:
            check_rate(mixtures, config.frontend.sample_rate)
        self._config, self._place = config.waves, place
        self._names = tuple(name for name in estimator.sources if name != REST or not config.waves.rest)
        self._rate = config.frontend.sample_rate
        self._table = build_wave_table(train, self._names, root=root, cache=cache / "train")
        self._valid = build_wave_table(valid, self._names, root=root, cache=cache / "valid") if valid else None
        self._voices = [self._items_by_speaker(train, row) for row in range(len(self._names))]
        # Of each mixture who speaks, by the rows of their sources.
        rows = {name: row for row, name in enumerate(self._names)}
        self._backgrounds = {rows[BACKGROUND]} if BACKGROUND in rows else set[int]()
        self._speakers = [
            {
                rows[one.name]: one.speaker
                for one in mixture.sources
                if one.name in rows and one.speaker and one.n_samples
            }
            for mixture in train
        ]
        noisy = np.flatnonzero(self._table.levels[:, -1]).tolist()
        if config.waves.noise.changes and not noisy:
            raise ConfigError("waves.noise: the training mixtures have no noise: mix with noise_folder or noise_kinds")
        self._noises = NoiseRemix(config.waves.noise, noisy, noise=self._noise_part, speech=self._speech_part)
        self.batch_size, self.steps_per_pass = config.optimiser.batch_size, config.waves.steps_per_epoch
        self._segment = round(config.waves.segment_s * self._rate)
        self._scenes = Scenes(
            config.waves.scene,
            n_sources=len(self._names),
            sample_rate=self._rate,
            seed=place.seed,
            cache=cache / "rooms",
        )
        self.frames_per_step = self.batch_size * estimator.frontend.stft.n_frames(self._segment)

    def _items_by_speaker(self, mixtures: Sequence[Mixture], row: int) -> dict[str, list[int]]:
        """Return the mixtures in which a source is heard, those of each of its speakers by themselves."""
        name, voices = self._names[row], dict[str, list[int]]()
        for index in np.flatnonzero(self._table.levels[:, row]).tolist():
            (speaker,) = {source.speaker for source in mixtures[index].sources if source.name == name}
            voices.setdefault(speaker, []).append(index)
        if not voices:
            raise InputError(f"source {name}: is silent in all {len(self._table)} training mixtures")
        return {speaker: voices[speaker] for speaker in sorted(voices)}

    def _chosen(self, step: int, place: int) -> tuple[np.random.Generator, list[int]]:
        """Return the random stream of one item of a batch, and the mixture each of its rows is drawn from.

        The noise, last, is that of the mixture whose levels the sources are given.
        """
        stream = generator(self._place.seed, "remix", step, place)
        template = int(stream.integers(len(self._table)))
        if not self._config.remix:
            return stream, [template] * (len(self._names) + 1)
        drawn, heard = list[int](), list[str]()
        for _ in range(_TRIES):
            drawn, heard = [], []
            for voices in self._voices:
                # Every speaker as often as any other: of some the mixtures may have a single sentence.
                heard.append(_one_of([*voices], stream))
                drawn.append(_one_of(voices[heard[-1]], stream))
            # Sources of one kind share their speakers, and nobody speaks over themselves where others could.
            named = [speaker for speaker in heard if speaker]
            if len({*named}) == len(named):
                break
        return stream, [*drawn, template]

    def _places(self) -> range:
        return range(self._place.rank, self.batch_size, self._place.world)

    def items(self, step: int) -> list[str]:
        """Return the names of the mixtures that the batch of a step draws from."""
        chosen = {index for place in self._places() for index in self._chosen(step, place)[1]}
        return [self._table.items[index] for index in sorted(chosen)]

    def _item(self, step: int, place: int) -> Heard:
        """Return one item of a batch: what is heard, and what is to be learnt of its sources."""
        stream, chosen = self._chosen(step, place)
        item = np.zeros((len(chosen), self._segment), np.float32)
        position, template = float(stream.random()), chosen[-1]
        for row, index in enumerate(chosen):
            if self._config.remix and row < len(self._names):
                speed = self._config.speed * (2 * float(stream.random()) - 1)
                position = float(stream.random())
                part = self._part(self._table.row(index, row), position, speed=speed)
            else:
                wave = self._table.row(index, row) if self._config.remix else self._table.item(index)[row]
                part = self._part(wave, position)
            item[row] = self._gain(stream, row, drawn=index, template=template) * part
        if (level := self._table.levels[template, -1]) and self._config.remix and self._config.noise.changes:
            own = generator(self._place.seed, "noises", step, place)
            gain = 10 ** (self._config.gain_db * float(own.uniform(-1, 1)) / 20)
            item[-1] = level * gain * self._noises.make(self._bystanders(chosen[:-1]), own)
        return self._scenes.hear(item, stream)

    def _part(self, wave: NDArray[np.float32], position: float, *, speed: float = 0.0) -> NDArray[np.float32]:
        """Return a stretch (segment,) of a wave, played so much faster; one that is too short has silence around it."""
        rate = round(self._rate * (1 + speed))
        length = min(len(wave), -(-self._segment * rate // self._rate))
        start = round(position * (len(wave) - length))
        part = audio.resample(wave[start : start + length], from_rate=rate, to_rate=self._rate)[: self._segment]
        offset = round(position * (self._segment - len(part)))
        return np.pad(part, (offset, self._segment - len(part) - offset))

    def _gain(self, stream: np.random.Generator, row: int, *, drawn: int, template: int) -> float:
        """Return the factor that gives a drawn source the level it would have in the template, and a random one."""
        gain = 10 ** (self._config.gain_db * (2 * float(stream.random()) - 1) / 20)
        here, there = self._table.levels[drawn, row], self._table.levels[template, row]
        # A source that the template has not keeps its own level.
        return float(gain * there / here) if here > 0 and there > 0 else float(gain)

    def _noise_part(self, index: int, position: float, speed: float) -> NDArray[np.float32]:
        """Return a part (segment,) of the noise of a mixture, all of which has a level of 1."""
        return self._part(self._table.row(index, -1), position, speed=speed) / np.float32(self._table.levels[index, -1])

    def _speech_part(self, index: int, position: float, speed: float) -> NDArray[np.float32]:
        """Return a part (segment,) of what the loudest speaker of a mixture says, all of which has a level of 1."""
        levels = self._table.levels[index]
        row = max(self._speakers[index], key=lambda row: levels[row])
        return self._part(self._table.row(index, row), position, speed=speed) / np.float32(levels[row])

    def _bystanders(self, chosen: Sequence[int]) -> list[int]:
        """Return the mixtures in which others speak than are to be heard; none where it is not known who is."""
        heard = {self._speakers[index].get(row, "") for row, index in enumerate(chosen) if row not in self._backgrounds}
        if "" in heard:
            return []
        return [index for index, own in enumerate(self._speakers) if own and not heard & {*own.values()}]

    def prepare(self, models: Mapping[str, Network]) -> None:
        """Leave networks as they are: there are no features before the first batch."""

    def draw(self, step: int) -> Batch:
        """Return the batch of a step, at the level of the training data."""
        items = [self._item(step, place) for place in self._places()]
        mixtures = np.stack([item.mixture for item in items])
        targets = np.stack([item.targets for item in items], axis=1)
        return self._batch(mixtures, targets, step, "noise", step, self._place.rank)

    def _batch(
        self, mixtures: NDArray[np.float32], targets: NDArray[np.float32], step: int, *names: str | int
    ) -> Batch:
        """Return mixtures (batch, time) and their sources (sources, batch, time) as a batch."""
        heard, wanted = (self._at_level(waves) for waves in (mixtures, targets))
        stream = torch_generator(self._place.seed, *names, device=str(self._place.device))
        named = dict(zip(self._names, wanted, strict=True))
        if self._config.rest:
            # What a room adds late, and the noise: of the early sound nothing is left.
            named[REST] = heard - wanted.sum(0)
        return Batch(heard, named, step, stream)

    def _at_level(self, waves: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(waves / np.float32(self._table.level)).to(self._place.device)

    def validation(self) -> Iterator[tuple[Batch, list[str], int]]:
        """Yield the validation mixtures whole, one at a time: their names, and their number of samples as weight."""
        if self._valid is None:
            return
        for index, name in enumerate(self._valid.items):
            waves = np.array(self._valid.item(index))[:, None]
            yield self._batch(waves.sum(0), waves[:-1], END_OF_SCHEDULE, "valid", index), [name], waves.shape[-1]
