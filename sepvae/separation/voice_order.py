"""Keeps talkers whose names mean nothing in one order over a recording, by what their voices sound like.

A network that takes talkers in any order decides by what it hears within a few seconds: behind a pause of both it may
give them the other way round. Which way is followed along the recording by dynamic programming (Viterbi 1967) over
stretches of half a second, between the voices as they have sounded so far and the price of a change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, permutations

import numpy as np
from numpy.typing import NDArray

from sepvae.separation.voices import DIMENSIONS, VoiceFeatures, frame_energy

Floats = NDArray[np.float32]

STRETCH_S = 0.48
# Of fewer frames features are less certain, and count less.
_ENOUGH_FRAMES = 5.0
# What a change of the order costs, in squared distances of features whose spread within a voice is 1.
_PRICE = 12.0
# What anybody costs a voice that has not been heard yet: so much that who speaks alone is not taken for two; and where
# a voice is known, less than most others cost that one, so that nobody is taken for it.
_UNHEARD, _UNHEARD_BESIDE_KNOWN = 2.0 * DIMENSIONS, 1.2 * DIMENSIONS
# Before all outputs are heard for so many frames, there is nobody to exchange.
_LEAST_FRAMES = 50.0
# What changes in the beginning have to gain for each output in each stretch: two centres explain one voice a little
# better than one does.
_MARGIN = 8.0
# A voice is the mean of so many frames at most, so that it may drift: one minute.
_MEMORY_FRAMES = 3750.0
# Fitting the voices of a beginning, from several guesses.
_ROUNDS, _GUESSES = 10, 8
# A stretch is measured with its neighbours, in the middle of them.
_SMOOTH = (0.25, 0.5, 0.25)
# A change is faded over, so that it does not click.
_FADE_S = 0.01


class VoiceOrder:
    """Follows the order of a signal's talkers, block after block.

    Args:
        names: the outputs that are talkers, in the order that they are to keep.
        sample_rate: Hz.
        known: voices that are known beforehand, by output: features as `VoiceFeatures` has them (dimensions,).
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        sample_rate: int,
        known: Mapping[str, Floats] | None = None,
    ) -> None:
        self._names, self._rate = tuple(names), sample_rate
        # Another channel of the same recording, whose talkers are to have the same names here.
        self.like: VoiceOrder | None = None
        self._known = {self._names.index(name): voice for name, voice in (known or {}).items()}
        self._features = VoiceFeatures(sample_rate, stretch_s=STRETCH_S)
        self._orders = [*permutations(range(len(self._names)))]
        self._voices: Floats | None = None
        self._heard = np.zeros(len(self._names), np.float32)
        self._unheard = _UNHEARD_BESIDE_KNOWN if self._known else _UNHEARD
        self._last, self._started = 0, False
        self._loudest = 0.0

    @property
    def has_heard(self) -> bool:
        """Whether anybody has spoken yet."""
        return self._voices is not None and bool((self._heard > 0).any())

    def __call__(self, estimates: dict[str, Floats]) -> dict[str, Floats]:
        """Return the estimates of a block, each (time,), with the talkers in the order of the blocks before it.

        What they add up to stays as it is.
        """
        waves = np.stack([estimates[name] for name in self._names])
        self._loudest = max(self._loudest, frame_energy(waves.sum(0), self._rate))
        before, path = self._last, [self._last]
        if waves.shape[1] >= self._features.stretch_samples and self._loudest:
            features, weights = self._features(waves, loudest=self._loudest)
            if weights.any():
                path = self._path(*_smoothed(features, weights))
        started, self._started, self._last = self._started, True, path[-1]
        # Where nothing was before, there is nothing to fade from.
        return self._ordered(estimates, path, before if started else path[0])

    def _path(self, features: Floats, weights: Floats) -> list[int]:
        """Return the order of each stretch, and learn from it how the voices sound."""
        if self._voices is None:
            path = self._begin(features, weights)
        else:
            path = self._follow(features, weights, self._voices, start=self._last if self._started else None)
        self._learn(features, weights, path)
        return path

    def _begin(self, features: Floats, weights: Floats) -> list[int]:
        """Find the voices of the first block together with their order, from the guess that explains it best."""
        best, path = float("inf"), [0] * features.shape[1]
        # One order all the time, and where nobody is known, that in which it is.
        for one in range(len(self._orders) if self._known else 1):
            steady = [one] * features.shape[1]
            now = self._with_known(_means(*self._sorted(features, weights, steady)))
            cost = self._cost(features, weights, now, steady)
            if cost < best:
                best, path = cost, steady
        best -= _MARGIN * float(np.minimum(weights / _ENOUGH_FRAMES, 1).sum())
        alone = float(weights.sum(-1).min()) < _LEAST_FRAMES
        for guess in () if alone else self._guesses(features, weights):
            now, found = self._with_known(guess), list[int]()
            for _ in range(_ROUNDS):
                after = self._follow(features, weights, now)
                if after == found:
                    break
                found, now = after, self._with_known(_means(*self._sorted(features, weights, after)))
            cost = self._cost(features, weights, now, found)
            if cost < best:
                best, path = cost, found
        return path if self._known else self._named(features, weights, path)

    def _named(self, features: Floats, weights: Floats, path: list[int]) -> list[int]:
        """Return, of the orders that are one by other names, that of the other channel, or that of the beginning."""
        first = next((place for place, heard in enumerate(weights.sum(0) > 0) if heard), 0)
        named = _inverse(self._orders[path[first]])
        if self.like is not None and self.like._voices is not None:
            voices = _means(*self._sorted(features, weights, path))
            distances = _known_or(_squares(voices[:, None] - self.like._voices), self._unheard)
            sums = [sum(float(distances[old, new]) for new, old in enumerate(order)) for order in self._orders]
            named = list(self._orders[sums.index(min(sums))])
        return [self._orders.index(tuple(self._orders[one][place] for place in named)) for one in path]

    def _guesses(self, features: Floats, weights: Floats) -> Iterator[Floats]:
        """Yield voices to begin with: the outputs as they are, stretches in which all are heard, some far apart."""
        yield _means(features, weights)
        together = np.flatnonzero(weights.min(0) > 0)
        for place in together[:: max(1, len(together) // _GUESSES)].tolist():
            yield features[:, place]
        heard = features[weights >= _ENOUGH_FRAMES]
        if len(heard) >= len(features):
            chosen = [heard[0]]
            for _ in features[1:]:
                nearest = np.stack([_squares(heard - one) for one in chosen]).min(0)
                chosen.append(heard[nearest.argmax()])
            yield np.stack(chosen)

    def _with_known(self, voices: Floats) -> Floats:
        """Return voices with those in their places that are known."""
        voices = voices.copy()
        for place, known in self._known.items():
            voices[place] = known
        return voices

    def _costs(self, features: Floats, weights: Floats, voices: Floats) -> Floats:
        """Return what each order costs in each stretch (stretches, orders)."""
        distance = _known_or(_squares(features[:, None] - voices[None, :, None]), self._unheard)
        distance = distance * np.minimum(weights[:, None] / _ENOUGH_FRAMES, 1)
        orders = [np.stack([distance[one, voice] for voice, one in enumerate(order)]) for order in self._orders]
        return np.asarray(np.stack(orders).sum(1).T, np.float32)

    def _cost(self, features: Floats, weights: Floats, voices: Floats, path: list[int]) -> float:
        costs = self._costs(features, weights, voices)
        changes = sum(one != other for one, other in pairwise(path))
        return float(costs[np.arange(len(path)), path].sum()) + _PRICE * changes

    def _follow(self, features: Floats, weights: Floats, voices: Floats, *, start: int | None = None) -> list[int]:
        """Return the cheapest order of each stretch, from the one before the first."""
        costs, n_orders = self._costs(features, weights, voices), len(self._orders)
        price = _PRICE * (1 - np.eye(n_orders))
        total = costs[0] + (price[start] if start is not None else 0)
        before = list[NDArray[np.intp]]()
        for cost in costs[1:]:
            sums = total[:, None] + price
            before.append(sums.argmin(0))
            total = sums.min(0) + cost
        path = [int(total.argmin())]
        for place in reversed(before):
            path.append(int(place[path[-1]]))
        return path[::-1]

    def _sorted(self, features: Floats, weights: Floats, path: list[int]) -> tuple[Floats, Floats]:
        """Return features and weights by voice in place of by output."""
        outputs = np.array([self._orders[one] for one in path]).T
        stretches = np.arange(features.shape[1])
        return features[outputs, stretches], weights[outputs, stretches]

    def _learn(self, features: Floats, weights: Floats, path: list[int]) -> None:
        """Let the voices be what they have sounded like until now; one that was never heard is NaN."""
        sorted_features, sorted_weights = self._sorted(features, weights, path)
        new, means = sorted_weights.sum(-1), _means(sorted_features, sorted_weights)
        old = np.minimum(self._heard, _MEMORY_FRAMES)
        before = means if self._voices is None else self._voices
        both = before + (means - before) * (new / np.maximum(old + new, 1))[:, None]
        learnt = np.where((new == 0)[:, None], before, np.where((old == 0)[:, None], means, both))
        # What is known stays: it is how the voice sounds, whatever has been taken for it.
        self._voices, self._heard = self._with_known(learnt), old + new

    def _ordered(self, estimates: dict[str, Floats], path: list[int], before: int) -> dict[str, Floats]:
        """Return the estimates with the talkers exchanged where the path says so; `before` is the order until here."""
        orders = {before, *path}
        if orders == {0}:
            return estimates
        waves = np.stack([estimates[name] for name in self._names])
        length, fade = self._features.stretch_samples, max(1, round(_FADE_S * self._rate))
        # The last order holds for what is left behind the last whole stretch.
        starts = [0, *(fade + place * length for place in range(1, len(path))), fade + waves.shape[1]]
        made = {**estimates, **{name: np.zeros_like(waves[0]) for name in self._names}}
        for one in orders:
            gain = np.zeros(starts[-1])
            for order, start, stop in zip(path, starts, starts[1:], strict=False):
                gain[start:stop] = float(order == one)
            gain[:fade] = float(before == one)
            smooth = _faded(gain, fade).astype(waves.dtype)
            for voice, output in enumerate(self._orders[one]):
                made[self._names[voice]] += smooth * waves[output]
        return made


def _inverse(order: Sequence[int]) -> list[int]:
    return sorted(range(len(order)), key=lambda place: order[place])


def _squares(differences: Floats) -> Floats:
    return np.asarray(np.square(differences).sum(-1), np.float32)


def _known_or(distances: Floats, unheard: float) -> Floats:
    """Return distances with one in the place of those to voices that were never heard, which are NaN."""
    return np.nan_to_num(distances, nan=unheard)


def _means(features: Floats, weights: Floats) -> Floats:
    """Return the weighted means of features (…, stretches, dimensions) over the stretches, NaN where none counts."""
    total = weights.sum(-1, keepdims=True)
    share = weights / np.maximum(total, 1e-9)
    means = np.where(total > 0, (share[..., None] * features).sum(-2), np.nan)
    return np.asarray(means, np.float32)


def _smoothed(features: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Return features and weights of each stretch together with its neighbours."""
    both = np.concatenate([features * weights[..., None], weights[..., None]], axis=-1)
    padded, count = np.pad(both, ((0, 0), (len(_SMOOTH) // 2,) * 2, (0, 0))), both.shape[1]
    parts = [share * padded[:, place : place + count] for place, share in enumerate(_SMOOTH)]
    sums: Floats = np.sum(parts, axis=0, dtype=np.float32)
    smoothed: Floats = np.divide(sums[..., :-1], np.maximum(sums[..., -1:], 1e-9), dtype=np.float32)
    return smoothed, sums[..., -1]


def _faded(gain: NDArray[np.float64], fade: int) -> NDArray[np.float64]:
    """Return gains of 0 and 1 behind the first `fade`, with slopes of that length in place of their steps.

    Those of all orders still add up to 1.
    """
    sums = np.concatenate([[0.0], np.cumsum(gain)])
    # Whole numbers, so what is 1 all around stays 1.
    return np.asarray((sums[fade + 1 :] - sums[: -(fade + 1)]) / (fade + 1), np.float64)


class VoiceOrders:
    """The order of the talkers in each channel of a recording.

    Args:
        names: the outputs that are talkers.
        sample_rate: Hz.
        known: voices that are known beforehand, by output.
    """

    def __init__(self, names: Sequence[str], *, sample_rate: int, known: Mapping[str, Floats] | None = None) -> None:
        self._names, self._rate, self._known = tuple(names), sample_rate, known
        self._channels = list[VoiceOrder]()

    def __call__(self, estimates: dict[str, Floats]) -> dict[str, Floats]:
        """Return the estimates of a block, each (channels, time), in order."""
        n_channels = len(estimates[self._names[0]])
        made = list[dict[str, Floats]]()
        for channel in range(n_channels):
            if channel == len(self._channels):
                self._channels.append(VoiceOrder(self._names, sample_rate=self._rate, known=self._known))
            heard = [one for one in self._channels[:channel] if one.has_heard]
            self._channels[channel].like = heard[0] if heard else None
            made.append(self._channels[channel]({name: wave[channel] for name, wave in estimates.items()}))
        return {name: np.stack([one[name] for one in made]) for name in estimates}
