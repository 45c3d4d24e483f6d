"""Speech out of noise: the model that comes with sepvae beside DTLN, RNNoise and noisereduce, on the same mixtures.

The mixtures are those of a run of recipes/defaults/noise.yaml: people and recordings that our model has not heard (what
the peers have heard nobody knows). The peers run in an environment of their own, made of requirements.txt beside this:

    python -m venv PEERS && PEERS/bin/pip install -r benchmarks/peers/requirements.txt
    python benchmarks/peers/noise.py RUN PEERS/bin/python

A peer may be late by up to 40 ms, which is taken away. Opinions are DNSMOS P.835, overall; times are seconds of CPU for
a second of audio, of one thread, without loading the model.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sepvae import audio
from sepvae.evaluation.measures import score
from sepvae.files import write_json
from sepvae.portable.separator import PortableSeparator

RESULT = Path(__file__).parents[1] / "results" / "peers_noise.json"
SCRIPT, RATE = Path(__file__).with_name("denoise.py"), 16000
MEASURES = ("si_sdr", "estoi", "pesq_nb")
PEERS = ("dtln", "rnnoise", "noisereduce")


def wave_of(path: Path) -> NDArray[np.float32]:
    """Return the samples (time,) of a file."""
    return np.asarray(audio.read(path).wave[0], np.float32)


def run_peer(python: Path, *args: str, folders: list[Path]) -> Any:
    """Run the peers' script in their environment, and return what it prints."""
    command = [str(python), str(SCRIPT), *args, *map(str, folders)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    return json.loads(done.stdout.splitlines()[-1])


def ours(folders: list[Path]) -> float:
    """Write what our model makes of the mixtures, and return seconds of CPU for a second of audio."""
    separator, seconds, length = PortableSeparator.load("noise"), 0.0, 0.0
    separator.separate(np.zeros(RATE, np.float32), RATE)
    for folder in folders:
        mixture = wave_of(folder / "mixture.wav")
        started = time.process_time()
        speech = separator.separate(mixture, RATE)["speech"]
        seconds, length = seconds + time.process_time() - started, length + len(mixture) / RATE
        audio.write(folder / "sepvae.wav", speech, sample_rate=RATE)
    return seconds / length


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % interval of the mean, by bootstrap over the mixtures."""
    random = np.random.default_rng(0)
    means = values[random.integers(len(values), size=(4000, len(values)))].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def rows(folders: list[Path], system: str, opinions: list[float]) -> dict[str, dict[str, float]]:
    """Return the mean of each measure of a system, and the 95 % interval of each over the mixtures."""
    values = list[dict[str, float]]()
    for folder, opinion in zip(folders, opinions, strict=True):
        speech, mixture = wave_of(folder / "speech.wav"), wave_of(folder / "mixture.wav")
        estimates = {"speech": wave_of(folder / f"{system}.wav")}
        (row,) = score(
            references={"speech": speech}, estimates=estimates, mixture=mixture, sample_rate=RATE, system=system,
            item=folder.name, measures=MEASURES,
        )  # fmt: skip
        values.append({**row.values, "dnsmos": opinion})
    found = dict[str, dict[str, float]]()
    for measure in (*MEASURES, "dnsmos"):
        numbers = np.array([value[measure] for value in values])
        low, high = interval(numbers)
        found[measure] = {"mean": float(numbers.mean()), "low": low, "high": high}
    return found


def main() -> None:
    """Measure all of them on the mixtures of a part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN", help="run of recipes/defaults/noise.yaml")
    parser.add_argument("python", type=Path, metavar="PYTHON", help="Python of the peers")
    parser.add_argument("--part", default="at_0_db")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folders = list[Path]()
        for item in sorted((args.run / args.part / "audio" / "reference").iterdir()):
            folders.append(Path(scratch) / item.name)
            folders[-1].mkdir()
            for name in ("mixture", "speech"):
                shutil.copy(item / f"{name}.wav", folders[-1] / f"{name}.wav")
        cpu = {"mixture": 0.0, "sepvae": ours(folders)}
        cpu |= {peer: run_peer(args.python, peer, folders=folders)["cpu_s_per_s"] for peer in PEERS}
        systems = {}
        for system, seconds in cpu.items():
            opinions = run_peer(args.python, "dnsmos", system, folders=folders)
            systems[system] = {**rows(folders, system, opinions), "cpu_s_per_s": seconds}
    versions = dict(line.split("==") for line in SCRIPT.with_name("requirements.txt").read_text().split())
    about = {"n_mixtures": len(folders), "part": args.part, "sepvae": metadata.version("sepvae"), "peers": versions}
    write_json(RESULT, {**about, "systems": systems})
    for system, found in systems.items():
        print(system, *(f"{name} {value['mean']:.2f}" for name, value in found.items() if isinstance(value, dict)),
              f"{found['cpu_s_per_s']:.3f} s/s")  # fmt: skip


if __name__ == "__main__":
    main()
