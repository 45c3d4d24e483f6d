"""What each verb may load: nobody waits seconds for libraries that a verb has no use for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sepvae import audio

RATE = 8000
# Libraries that take a tenth of a second and more, or that only some installations have.
HEAVY = {
    *("torch", "scipy", "librosa", "matplotlib", "seaborn", "lightning_fabric", "soxr", "pyroomacoustics", "sklearn"),
    *("audiomentations", "pystoi", "pesq", "pywt", "distributed", "jinja2", "tensorboard", "espeakng_loader"),
}
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
}
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
    for azimuth in (-45, 45):
        write(f"rooms/az{azimuth}.wav", 200, 2)
    for name in ("s1", "s2", "mixture"):
        write(f"ready/tr/{name}/a.wav")
    for name in ("s1", "s2"):
        write(f"estimates/a/{name}.wav")
    return {name: f"{root / name}" for name in ("corpus", "rooms", "ready", "estimates")} | {"small": SMALL}


@pytest.mark.parametrize("line", NEEDS)
def test_a_verb_loads_only_what_it_works_with(line: str, places: dict[str, str], tmp_path: Path) -> None:
    code = (
        "import sys; from sepvae.cli import main; code = main(sys.argv[1:]); print('\\n', *sys.modules); sys.exit(code)"
    )
    arguments = line.format(**places, out=tmp_path).split()
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    loaded = {name.split(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert loaded & HEAVY <= NEEDS[line]
