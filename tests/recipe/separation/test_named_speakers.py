"""How often systems name the right speaker, from hand-made folders; and that what they say follows their estimates."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sepvae.files import make_folder, write_arrays
from sepvae.mixing.manifest import Mixture, Source
from sepvae.recipe.separation.explanations import in_order
from sepvae.recipe.separation.folder import PartFolder
from sepvae.recipe.separation.named_speakers import named_speakers
from sepvae.recipe.separation.runs import runs_of
from sepvae.report.labels import name_counts
from sepvae.systems.contract import SystemChoice
from sepvae.systems.voices import Voices, read_voices, write_voices


def mixture(number: int, *speakers: str, group: str | None = None) -> Mixture:
    facts = {"utterance": "u", "path": "u.wav", "sex": "unknown", "sha256": "", "start": 0, "n_samples": 9, "offset": 0}
    sources = [Source(name=f"any_{n}", speaker=name, gain=1.0, **facts) for n, name in enumerate(speakers)]  # type: ignore[arg-type]
    return Mixture(
        id=f"test-{number}", split="test", sample_rate=8000, n_samples=9, sources=tuple(sources), group=group
    )


RUNS = runs_of({"vae": SystemChoice.of("ica"), "auxiva": SystemChoice.of("ica")}, seed=0)


def tell(folder: PartFolder, system: str, number: int, *likely: str) -> None:
    write_arrays(folder.diagnostics(system, f"test-{number}"), {"likely": np.array(likely)})


def test_sources_by_known_speakers_are_counted(tmp_path: Path) -> None:
    folder, known = PartFolder(tmp_path), Voices(("ann", "bob", "cat"), right=5, of=6)
    write_voices(make_folder(folder.system("vae")), known)
    assert read_voices(folder.system("vae")) == known
    tests = [mixture(0, "ann", "bob"), mixture(1, "cat", "eve"), mixture(2, "bob", "cat")]
    tell(folder, "vae", 0, "ann", "cat")
    # Eve is not known: whoever she is taken for, she cannot be named.
    tell(folder, "vae", 1, "cat", "ann")
    assert named_speakers(folder, RUNS, tests) == {
        "vae": {"classes": 3, "clean": {"right": 5, "of": 6}, "separated": {"right": 2, "of": 3}}
    }


def test_groups_of_models_count_together(tmp_path: Path) -> None:
    folder = PartFolder(tmp_path)
    write_voices(make_folder(folder.system("vae") / "fold_0"), Voices(("ann", "bob"), 1, 2))
    write_voices(make_folder(folder.system("vae") / "fold_1"), Voices(("cat", "dan"), 2, 2))
    tests = [mixture(0, "ann", "cat", group="fold_0"), mixture(1, "cat", "dan", group="fold_1")]
    tell(folder, "vae", 0, "ann", "bob")
    tell(folder, "vae", 1, "dan", "dan")
    assert named_speakers(folder, RUNS, tests)["vae"] == {
        "classes": 2,
        "clean": {"right": 3, "of": 4},
        "separated": {"right": 2, "of": 3},
    }


def test_runs_from_several_seeds_count_together(tmp_path: Path) -> None:
    folder = PartFolder(tmp_path)
    for name, right, likely in (("vae", 1, "ann"), ("vae-seed1", 2, "bob")):
        write_voices(make_folder(folder.system(name)), Voices(("ann", "bob"), right, 2))
        tell(folder, name, 0, likely, "bob")
    runs = runs_of({"vae": SystemChoice.of("nmf").model_copy(update={"seeds": 2})}, seed=0)
    assert named_speakers(folder, runs, [mixture(0, "ann", "bob")]) == {
        "vae": {"classes": 2, "clean": {"right": 3, "of": 4}, "separated": {"right": 3, "of": 4}}
    }


def test_who_is_likely_follows_the_order_of_the_estimates() -> None:
    found = in_order({"likely": np.array(["ann", "bob", "cat"])}, [2, 0, 1])
    assert found["likely"].tolist() == ["cat", "ann", "bob"]


def test_the_page_says_it_in_words() -> None:
    counts = {"classes": 12, "clean": {"right": 5, "of": 6}, "separated": {"right": 0, "of": 0}}
    assert name_counts(counts) == {"classes": "12", "clean": "83 % (5 of 6)", "separated": "–"}
