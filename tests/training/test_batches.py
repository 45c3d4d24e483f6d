"""Frame tables and the order of batches: every frame, in its place, in an order that follows from the seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sepvae.config import parse_config
from sepvae.errors import InputError
from sepvae.frontend.frontend import Frontend, FrontendConfig
from sepvae.mixing.mixture import render
from sepvae.training import batches
from sepvae.training.batches import BatchOrder, FrameTable, build_table, source_names
from sepvae.training.loop import TrainingData

MARGIN = 5


@pytest.fixture(scope="module")
def frontend() -> Frontend:
    settings_ = {"sample_rate": 8000, "input": {"kind": "log_power"}, "target": {"kind": "power"}}
    return Frontend(parse_config(FrontendConfig, settings_, where="test"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache") / "train"


@pytest.fixture(scope="module")
def table(humming: TrainingData, frontend: Frontend, cache: Path) -> FrameTable:
    return build_table(humming.train, ["hum", "hiss"], root=humming.root, frontend=frontend, margin=MARGIN, cache=cache)


def test_table_holds_the_features_of_every_mixture(
    humming: TrainingData, frontend: Frontend, table: FrameTable
) -> None:
    assert table.items == tuple(mixture.id for mixture in humming.train)
    for index, mixture in enumerate(humming.train):
        rendered = render(mixture, humming.root)
        waves = torch.from_numpy(np.stack([rendered.sources["hum"], rendered.sources["hiss"]]))
        features, spectra = frontend.training_pair(torch.from_numpy(rendered.mixture), waves)
        first, count = int(table.first_row[index]), int(table.n_frames[index])
        assert count == frontend.stft.n_frames(mixture.n_samples)
        assert torch.equal(table.input[first : first + count], features)
        assert torch.equal(table.targets["hum"][first : first + count], spectra[0])
        assert torch.equal(table.targets["hiss"][first : first + count], spectra[1])


def test_margins_hold_the_features_of_silence(frontend: Frontend, table: FrameTable) -> None:
    inside = torch.zeros(len(table.input), dtype=torch.bool)
    for first, count in zip(table.first_row.tolist(), table.n_frames.tolist(), strict=True):
        inside[first : first + count] = True
        assert not inside[first - MARGIN : first].any()
    assert int((~inside).sum()) == MARGIN * (len(table.items) + 1)
    silence = frontend.input(torch.zeros((1, frontend.stft.n_bins), dtype=torch.complex64))
    assert torch.equal(table.input[~inside], silence.expand(int((~inside).sum()), -1))
    assert not table.targets["hum"][~inside].any()


def test_a_second_table_is_read_not_computed(
    humming: TrainingData, frontend: Frontend, cache: Path, table: FrameTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "render", None)
    again = build_table(
        humming.train, ["hum", "hiss"], root=humming.root, frontend=frontend, margin=MARGIN, cache=cache
    )
    assert torch.equal(again.input, table.input)
    assert torch.equal(again.first_row, table.first_row)


def test_a_table_of_something_else_is_computed_anew(humming: TrainingData, frontend: Frontend, tmp_path: Path) -> None:
    def build(**changes: object) -> FrameTable:
        arguments = {"root": humming.root, "frontend": frontend, "margin": 2, "cache": tmp_path / "cache", **changes}
        mixtures = arguments.pop("mixtures", humming.train[:2])
        return build_table(mixtures, arguments.pop("names", ["hum", "hiss"]), **arguments)  # type: ignore[arg-type]

    first = build()
    assert len(build(margin=3).input) == len(first.input) + 3
    assert build(mixtures=humming.train[1:3]).items == ("train-1", "train-2")
    assert list(build(names=["hiss"]).targets) == ["hiss"]
    other = Frontend(FrontendConfig(sample_rate=8000, normalisation="peak"))
    assert not torch.equal(build(frontend=other).input, first.input)
    assert torch.equal(build().input, first.input)


def test_a_source_that_a_mixture_has_not_is_silent(humming: TrainingData, frontend: Frontend, tmp_path: Path) -> None:
    alone = humming.train[0].model_copy(update={"sources": humming.train[0].sources[:1]})
    found = build_table([alone], ["hum", "hiss"], root=humming.root, frontend=frontend, margin=1, cache=tmp_path / "c")
    assert found.targets["hum"].any()
    assert not found.targets["hiss"].any()


def test_names_come_in_order_of_appearance(humming: TrainingData) -> None:
    assert source_names(humming.train) == ["hum", "hiss"]
    with pytest.raises(InputError, match="no mixtures to learn from"):
        source_names([])


def test_mixtures_at_another_rate_are_named(humming: TrainingData, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="mixture train-0 is sampled at 8000 Hz, the front-end works at 16000 Hz: set"):
        build_table(
            humming.train,
            ["hum"],
            root=humming.root,
            frontend=Frontend(FrontendConfig()),
            margin=1,
            cache=tmp_path / "c",
        )


def test_features_that_are_not_finite_name_the_mixture(
    humming: TrainingData, frontend: Frontend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(mixture: object, root: object) -> object:
        rendered = render(mixture, root)  # type: ignore[arg-type]
        rendered.sources["hum"][5] = np.nan
        return rendered

    monkeypatch.setattr(batches, "render", broken)
    with pytest.raises(InputError, match="mixture train-0: its features are not finite; check its source files"):
        build_table(humming.train, ["hum"], root=humming.root, frontend=frontend, margin=1, cache=tmp_path / "c")
    assert list(tmp_path.iterdir()) == []


def counting_table(counts: list[int], margin: int) -> FrameTable:
    """A table whose input is the number of the item (from 1) and of the frame; 0 in the margins."""
    first = margin + np.cumsum([0] + [count + margin for count in counts[:-1]])
    values = torch.zeros(sum(counts) + margin * (len(counts) + 1), 2)
    for item, (start, count) in enumerate(zip(first, counts, strict=True)):
        values[start : start + count, 0] = item + 1
        values[start : start + count, 1] = torch.arange(count) + 1.0
    names = tuple(str(number + 1) for number in range(len(counts)))
    return FrameTable(names, torch.from_numpy(first), torch.tensor(counts), values, {"a": values})


@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    segment_frames=st.integers(1, 20),
    context_frames=st.integers(0, 10),
)
@settings(max_examples=200, deadline=None)
def test_segments_hold_every_frame_and_no_other_item(
    counts: list[int], segment_frames: int, context_frames: int
) -> None:
    table = counting_table(counts, context_frames + segment_frames)
    rows = table.segment_rows(segment_frames)
    wide, targets = table.segments(rows, segment_frames=segment_frames, context_frames=context_frames)
    target = targets["a"]
    assert wide.shape == (len(rows), segment_frames + 2 * context_frames, 2)
    assert target.shape == (len(rows), segment_frames, 2)
    # The target lies in the middle of its input.
    assert torch.equal(wide[:, context_frames : context_frames + segment_frames], target)
    for segment in wide:
        items = set(segment[:, 0].tolist()) - {0.0}
        assert len(items) == 1
        inside = segment[segment[:, 0] > 0, 1]
        assert (inside.diff() == 1).all()
    seen = {(int(item), int(frame)) for item, frame in target.reshape(-1, 2).tolist() if item}
    assert seen == {(i + 1, f + 1) for i, count in enumerate(counts) for f in range(count)}


@given(counts=st.lists(st.integers(1, 40), min_size=1, max_size=4), length=st.integers(1, 20), hop=st.integers(1, 20))
def test_segments_may_overlap(counts: list[int], length: int, hop: int) -> None:
    table = counting_table(counts, length)
    rows, last = table.segment_rows(length, hop_frames=hop), [max(count - length, 0) for count in counts]
    expected = [
        first + offset
        for first, end in zip(table.first_row.tolist(), last, strict=True)
        for offset in sorted({*range(0, end + 1, hop), end})
    ]
    assert rows.tolist() == expected
    numbers = torch.bincount(table.number_of_each(rows), minlength=len(counts))
    assert numbers.tolist() == [1 + -(-end // hop) for end in last]


@given(counts=st.lists(st.integers(1, 40), min_size=1, max_size=4), limit=st.integers(1, 60))
def test_some_frames_are_of_items_alone(counts: list[int], limit: int) -> None:
    inputs, targets = counting_table(counts, 5).some_frames("a", limit)
    assert torch.equal(inputs, targets)
    assert (inputs > 0).all()
    assert set(inputs[:, 0].tolist()) == set(range(1, len(counts) + 1))
    assert len(inputs) <= 2 * limit + len(counts)


@pytest.mark.parametrize("segment_frames", [1, 4])
def test_items_are_found_by_their_rows(segment_frames: int) -> None:
    table = counting_table([7, 1, 12], 6)
    for row in table.segment_rows(segment_frames):
        assert table.items_of(row[None]) == [str(int(table.input[row, 0]))]
    assert table.items_of(table.segment_rows(segment_frames).flip(0)) == ["3", "2", "1"]


@given(n_segments=st.integers(1, 200), batch_size=st.integers(1, 64), seed=st.integers(0, 5))
@settings(max_examples=100, deadline=None)
def test_a_pass_shows_every_segment_at_most_once(n_segments: int, batch_size: int, seed: int) -> None:
    order = BatchOrder(n_segments, batch_size=batch_size, seed=seed)
    passes = [
        [order.segments(number * order.steps_per_pass + step).tolist() for step in range(order.steps_per_pass)]
        for number in range(2)
    ]
    for batches_ in passes:
        shown = [segment for batch in batches_ for segment in batch]
        assert len(set(shown)) == len(shown)
        assert set(shown) <= set(range(n_segments))
        assert len(shown) > n_segments - order.batch_size
        assert {len(batch) for batch in batches_} == {order.batch_size}
    if n_segments > 20 and order.batch_size < n_segments:
        assert passes[0] != passes[1]


def test_order_follows_from_seed_and_step_alone() -> None:
    def make(seed: int = 0) -> BatchOrder:
        return BatchOrder(100, batch_size=8, seed=seed)

    forwards, one = [make().segments(step).tolist() for step in range(40)], make()
    assert [one.segments(step).tolist() for step in reversed(range(40))] == forwards[::-1]
    assert make(1).segments(0).tolist() != forwards[0]


@given(n_segments=st.integers(4, 100), batch=st.integers(1, 8), world=st.integers(1, 4), step=st.integers(0, 50))
@settings(max_examples=100, deadline=None)
def test_processes_share_the_batch_of_one(n_segments: int, batch: int, world: int, step: int) -> None:
    size = batch * world
    one = BatchOrder(n_segments, batch_size=min(size, n_segments // world * world), seed=0).segments(step)
    shares = [BatchOrder(n_segments, batch_size=size, seed=0, rank=r, world=world).segments(step) for r in range(world)]
    assert {len(share) for share in shares} == {len(one) // world}
    assert sorted(torch.cat(shares).tolist()) == sorted(one.tolist())


def test_more_processes_than_segments_are_refused() -> None:
    with pytest.raises(InputError, match="3 segments to learn from for 4 processes: give more mixtures"):
        BatchOrder(3, batch_size=8, seed=0, rank=0, world=4)
