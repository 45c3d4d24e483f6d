"""What each verb may load: nobody waits seconds for libraries that a verb has no use for."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sepvae import audio
from sepvae.cli import main
from sepvae.config import parse_config
from sepvae.estimator.checkpoint import save_checkpoint
from sepvae.settings import merge, preset
from sepvae.training.config import TrainingConfig, fresh_checkpoint

RATE = 8000
# Libraries that take a tenth of a second and more, or that only some installations have.
HEAVY = {
    *("torch", "scipy", "librosa", "matplotlib", "seaborn", "lightning_fabric", "soxr", "pyroomacoustics", "sklearn"),
    *("audiomentations", "pystoi", "pesq", "pywt", "distributed", "jinja2", "tensorboard", "espeakng_loader"),
}
# Mel features, and what a page has figures of.
MEL = {"librosa", "scipy", "soxr"}
PAGE = {*MEL, "matplotlib", "seaborn", "jinja2"}
# A verb, and what of these it may load: what its work is done with.
NEEDS: dict[str, set[str]] = {
    "--version": set(),
    "corpus list {corpus}": set(),
    "corpus list {corpus} --layout folder --json": set(),
    "corpus validate {corpus}": set(),
    "corpus mixtures {ready} -o {out}/ready.jsonl": set(),
    "mix {corpus} -o {out}/m.jsonl {small}": set(),
    "mix {corpus} -o {out}/m.jsonl --audio {out}/audio {small}": set(),
    "mix {corpus} -o {out}/m.jsonl {small} --set duration_s=[0.1,0.5] --set sample_rate=4000": {"soxr"},
    # Images are convolutions.
    "mix {corpus} -o {out}/m.jsonl {small} --room {rooms}": {"scipy"},
    "evaluate --references {ready}/tr --estimates {estimates} --measures snr -j 1": {"torch"},
    # The settings of methods stand beside the networks that they move, the device of a machine is torch's.
    "augment methods": {"torch"},
    "augment run {corpus} -o {out}/augmented --methods gain": set(),
    "info": {"torch"},
    "info {models}/source": {"torch"},
    "mix --help": set(),
    "recipe list": set(),
    "recipe show timit/vae": set(),
    "recipe show {recipe} --resolved": {"torch"},
    "recipe check {recipe}": {"torch"},
    "recipe run {recipe} --corpus {corpus} -o {out}/run -j 1 -d cpu -q": {"torch", *PAGE},
    "report {run}": {"torch", *PAGE},
    "train {manifest} --corpus {corpus} -o {out}/run -d cpu -q {tiny}": {"torch", "lightning_fabric", "tensorboard"},
    "separate {corpus}/s0/0.wav -m {models}/source -o {out} -d cpu -q": {"torch"},
    "model list": {"torch"},
    "model show {models}/source": {"torch"},
    "model export {models}/source -o {out}/small": {"torch"},
    "enrol --help": set(),
    "separate {corpus}/s0/0.wav -o {out} -d cpu -q": {"torch", "soxr"},
    "separate {corpus}/s0/0.wav -m {models}/source -o {out} -d cpu -q --band-pass 300 3000": {"torch", "scipy"},
    "enhance {corpus}/s0/0.wav -m {models}/speech -o {out} -d cpu -q --set n_iterations=1": {"torch"},
    "demix {meeting} --algorithm auxiva -o {out} -d cpu -q --set iterations=1": {"torch"},
    "augment fit {corpus} -m {models}/segments -d cpu -q": {"torch", *MEL},
    "augment run {corpus} -o {out}/augmented --methods soft -m {models}/segments -j 1 -q": {"torch", *MEL},
}
TINY = "--set optimiser.epochs=1 --set frontend.sample_rate=8000 --set model.kind=dense_vae"
RECIPE = """\
title: t
seed: 0
mixing: {sample_rate: 8000, duration_s: [0.5, 1], n_train: 0, n_valid: 0, n_test: 2}
systems: {mixture: {kind: mixture}}
evaluation: {measures: [snr]}
"""
SMALL = "--set sample_rate=8000 --set duration_s=[0.5,1] --set n_train=4 --set n_test=2"


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("imports")
    random = np.random.default_rng(0)

    def write(path: str, n_samples: int = RATE, n_channels: int = 1) -> None:
        wave = 0.1 * random.standard_normal((n_channels, n_samples)).clip(-4, 4)
        audio.write(root / path, wave.astype(np.float32), sample_rate=RATE)

    for number in range(48):
        write(f"corpus/s{number // 12}/{number}.wav")
    (root / "corpus/speakers.csv").write_text("speaker,sex\ns0,f\ns1,m\ns2,f\ns3,m\n")
    write("meeting.wav", 2 * RATE, 2)
    for azimuth in (-45, 45):
        write(f"rooms/az{azimuth}.wav", 200, 2)
    for name in ("s1", "s2", "mixture"):
        write(f"ready/tr/{name}/a.wav")
    for name in ("s1", "s2"):
        write(f"estimates/a/{name}.wav")
    (root / "recipe.yaml").write_text(RECIPE)
    corpus, manifest = f"{root / 'corpus'}", f"{root / 'mixtures.jsonl'}"
    assert main(["mix", corpus, "-o", manifest, "-q", *SMALL.split()]) == 0
    for name, base, sources in (
        ("source", {"model": "dense_vae"}, ["female", "male"]),
        ("speech", preset("speech_prior"), ["speech"]),
        ("segments", preset("segment_conv"), ["speech"]),
    ):
        config = parse_config(TrainingConfig, merge(base, {"frontend": {"sample_rate": RATE}}), where=name)
        save_checkpoint(root / "models" / name, fresh_checkpoint(config, sources), provenance={})
    folders = ("corpus", "rooms", "ready", "estimates", "models")
    more = {
        "recipe": f"{root / 'recipe.yaml'}",
        "manifest": manifest,
        "meeting": f"{root / 'meeting.wav'}",
        "small": SMALL,
        "tiny": TINY,
    }
    return {name: f"{root / name}" for name in folders} | more | {"small": SMALL, "tiny": TINY}


@pytest.fixture
def finished(places: dict[str, str], tmp_path: Path) -> str:
    """The run of a recipe."""
    command = ["recipe", "run", places["recipe"], "--corpus", places["corpus"], "-o", f"{tmp_path / 'run'}"]
    assert main([*command, "-j", "1", "-d", "cpu", "-q"]) == 0
    return f"{tmp_path / 'run'}"


@pytest.mark.parametrize("line", NEEDS)
def test_a_verb_loads_only_what_it_works_with(
    line: str, places: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if missing := [name for name in NEEDS[line] if importlib.util.find_spec(name) is None]:
        pytest.skip(f"{missing[0]} is not installed")
    if "{run}" in line:
        places = {**places, "run": request.getfixturevalue("finished")}
    code = (
        "import sys; from sepvae.cli import main; code = main(sys.argv[1:]); print('\\n', *sys.modules); sys.exit(code)"
    )
    arguments = line.format(**places, out=tmp_path).split()
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = {name.split(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert loaded & HEAVY <= NEEDS[line]
    # A second's worth of imports; what fits by torch's optimisers has to wait for it.
    assert not line.startswith("separate") or "torch._dynamo" not in done.stdout.split()
