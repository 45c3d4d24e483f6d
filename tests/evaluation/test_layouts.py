"""A layout is recognised or refused: whatever files are called and however long they are, nothing is guessed."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sepvae import audio
from sepvae.errors import InputError
from sepvae.evaluation import LAYOUTS, Layout
from sepvae.evaluation.layouts import Folder, Pair, pair_folders

from .two_folders import RATE, write

ADVICE = "give another"
# Names of people, numbers of recordings, and the names that sources have in this field.
SOURCES = st.sampled_from([("anna", "ben"), ("s1", "s2"), ("female", "male"), ("talker_1", "talker_2", "x"), ("one",)])
ITEMS = st.sampled_from([("utt0", "utt1", "utt2"), ("it0",), ("s1", "s3"), ("anna", "carl"), ("b", "a", "talker_1")])


def wave(n_samples: int) -> np.ndarray:
    return np.full(n_samples, 0.1, np.float32)


def lay(
    root: Path,
    layouts: tuple[Layout, Layout],
    sources: tuple[str, ...],
    items: tuple[str, ...],
    lengths: list[int],
    mixture: bool,
) -> tuple[Folder, Folder]:
    """Write references and estimates, every item as long as it is listed, and list both folders."""
    long = dict(zip(items, lengths, strict=False))
    names = (*sources, "mixture") if mixture else sources
    write(root / "ref", layouts[0], {item: {name: wave(long[item]) for name in names} for item in items})
    write(root / "est", layouts[1], {item: {name: wave(long[item]) for name in sources} for item in items})
    return Folder.read(root / "ref", advice=ADVICE), Folder.read(root / "est", advice=ADVICE)


def meant(pair: Pair, items: tuple[str, ...], sources: tuple[str, ...]) -> bool:
    if not set(pair.references) == set(items) == set(pair.estimates):
        return False
    return all(set(pair.estimates[item]) == set(sources) for item in items)


@settings(max_examples=100, deadline=None)
@given(
    layouts=st.tuples(st.sampled_from(LAYOUTS), st.sampled_from(LAYOUTS)),
    sources=SOURCES,
    items=ITEMS,
    lengths=st.lists(st.sampled_from([100, 101, 102]), min_size=3, max_size=3),
    mixture=st.booleans(),
)
@example(("source/item", "source/item"), ("s1", "s2"), ("utt0", "utt1", "utt2"), [100, 100, 100], False)
@example(("source/item", "source/item"), ("anna", "ben"), ("utt0", "utt1", "utt2"), [100, 100, 100], False)
@example(("item/source", "item/source"), ("one",), ("utt0", "utt1", "utt2"), [100, 101, 102], False)
def test_a_layout_is_that_which_was_meant_or_is_refused(
    layouts: tuple[Layout, Layout], sources: tuple[str, ...], items: tuple[str, ...], lengths: list[int], mixture: bool
) -> None:
    """Items of equal length under names of anybody are the only ones that may be refused, or taken for another."""
    with TemporaryDirectory() as made:
        references, estimates = lay(Path(made), layouts, sources, items, lengths, mixture)
        settled = pair_folders(references, estimates, layout=layouts[0], estimates_layout=layouts[1])
        assert meant(settled, items, sources) and settled.layout == layouts[0]
        try:
            found = pair_folders(references, estimates)
        except InputError as error:
            assert "can be read in two ways" in str(error)
            assert all(f"layout {layout} takes the items" in str(error) for layout in LAYOUTS)
            assert not mixture or "--estimates-layout" in str(error)
        else:
            # Items that are called as sources, and only they, speak for the other layout.
            called_so = {"s1", "s3", "talker_1"} >= set(items) and not mixture
            assert meant(found, items, sources) or called_so


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("sources", [("s1", "s2"), ("female", "male"), ("anna", "noise"), ("speech", "background")])
def test_names_of_the_field_speak_for_a_layout(layout: Layout, sources: tuple[str, ...], tmp_path: Path) -> None:
    """As in WSJ0-2mix and LibriMix without their mixtures."""
    items = ("utt0", "utt1", "utt2")
    references, estimates = lay(tmp_path, (layout, layout), sources, items, [100] * 3, False)
    assert meant(pair_folders(references, estimates), items, sources)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_lengths_speak_for_a_layout(layout: Layout, tmp_path: Path) -> None:
    items, sources = ("utt0", "utt1", "utt2"), ("anna", "ben")
    references, estimates = lay(tmp_path, (layout, layout), sources, items, [100, 101, 102], False)
    assert meant(pair_folders(references, estimates), items, sources)


def test_a_contradiction_is_refused(tmp_path: Path) -> None:
    """The names say that s1 is a source, the lengths that it is an item."""
    waves = {"s1": wave(100), "s2": wave(200)}
    for name in ("ref", "est"):
        write(tmp_path / name, "item/source", {item: {"a": one, "b": one} for item, one in waves.items()})
    folders = [Folder.read(tmp_path / name, advice=ADVICE) for name in ("ref", "est")]
    with pytest.raises(
        InputError, match=r"--layout item/source takes the items s1, s2 with the sources a, b; --layout s"
    ):
        pair_folders(*folders)
    assert meant(pair_folders(*folders, layout="source/item"), ("a", "b"), ("s1", "s2"))


@pytest.mark.parametrize("name", ["mix", "mix_clean", "mix_both", "mixture"])
def test_mixtures_decide(name: str, tmp_path: Path) -> None:
    waves = {item: {"x": wave(9), name: wave(9), "y": wave(9)} for item in ("s1", "s2")}
    for layout in LAYOUTS:
        root = tmp_path / layout.replace("/", "-")
        estimates = Folder.read(write(root / "est", layout, {i: {"x": wave(9)} for i in waves}), advice=ADVICE)
        references = Folder.read(write(root / "ref", layout, waves), advice=ADVICE)
        assert set(pair_folders(references, estimates).references) == {"s1", "s2"}


def test_estimates_of_another_split_are_not_scored_as_something_else(tmp_path: Path) -> None:
    """No item is in both, but the folders of the sources are called alike."""
    for name, items in (("ref", "ab"), ("est", "cd")):
        write(tmp_path / name, "source/item", {item: {"s1": wave(9), "s2": wave(9)} for item in items})
    folders = [Folder.read(tmp_path / name, advice=ADVICE) for name in ("ref", "est")]
    with pytest.raises(
        InputError, match=r"no item has both references and estimates: the folders are called s1, s2 and"
    ):
        pair_folders(*folders)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_folders_behind_links_are_read(tmp_path: Path) -> None:
    write(tmp_path / "data", "item/source", {"it0": {"anna": wave(9)}})
    (tmp_path / "ref").mkdir()
    (tmp_path / "ref" / "mine").symlink_to(tmp_path / "data" / "it0")
    assert list(Folder.read(tmp_path / "ref", advice=ADVICE).files) == [("mine", "anna")]


def test_what_lies_elsewhere_is_counted_and_endings_are_no_names(tmp_path: Path) -> None:
    audio.write(tmp_path / "a.wav", wave(9), sample_rate=RATE)
    audio.write(tmp_path / "b" / "c" / "d.wav", wave(9), sample_rate=RATE)
    audio.write(tmp_path / "b" / "._e.wav", wave(9), sample_rate=RATE)
    folder = Folder.read(tmp_path, advice=ADVICE)
    assert (folder.files, folder.n_elsewhere) == ({}, 2)
    for ending in ("wav", "flac"):
        audio.write(tmp_path / "i" / f"s.{ending}", wave(9), sample_rate=RATE)
    with pytest.raises(InputError, match=r"i/s\.wav: .*s\.flac is there too: leave one of the two out"):
        Folder.read(tmp_path, advice=ADVICE)
