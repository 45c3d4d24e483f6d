"""What comes with sepvae needs no network: verbs run where every look at one ends the program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sepvae import audio

_CODE = """
import os, sys
def refuse(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request"):
        print(f"{event}{args}", file=sys.stderr, flush=True)
        os._exit(99)
sys.addaudithook(refuse)
from sepvae.cli import main
sys.exit(main(sys.argv[1:]))
"""


def without_network(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", _CODE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    wave = rng.normal(0, 0.05, (1, 8 * 16000)) * np.interp(
        np.arange(8 * 16000), np.arange(0, 130000, 2000), rng.random(65)
    )
    audio.write(tmp_path / "talk.wav", wave.astype(np.float32), sample_rate=16000, subtype="float")
    return tmp_path / "talk.wav"


def test_a_look_at_the_network_is_seen() -> None:
    code = f"{_CODE.split('from sepvae')[0]}import socket; socket.getaddrinfo('localhost', 80)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 99


def test_a_file_is_separated_at_once(talk: Path, tmp_path: Path) -> None:
    """Into outputs that add up to it, by the model that is taken where none is given, which is named."""
    # What lies here by the name of the model is not it.
    (tmp_path / "any-talkers").mkdir()
    done = without_network("separate", talk, "-o", tmp_path / "out", "-d", "cpu", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "model: any-talkers@1 (sepvae model show any-talkers)" in done.stderr
    waves = {path.stem: audio.read_mono(path, 16000) for path in (tmp_path / "out/talk").iterdir()}
    assert {*waves} == {"talker_1", "talker_2", "rest"}
    assert abs(sum(waves.values()) - audio.read_mono(talk, 16000)).max() < 1e-5


@pytest.mark.parametrize("verb", [("model", "list"), ("model", "show", "any-talkers@1")])
def test_models_are_listed_and_shown(verb: tuple[str, ...]) -> None:
    done = without_network(*verb)
    assert done.returncode == 0, done.stderr
    assert "any-talkers@1" in done.stdout


def test_a_voice_is_enrolled_and_kept(talk: Path, tmp_path: Path) -> None:
    done = without_network("enrol", talk, "-o", tmp_path / "anna")
    assert done.returncode == 0, done.stderr
    done = without_network("separate", talk, "--keep", tmp_path / "anna", "-o", tmp_path / "out", "-d", "cpu")
    assert done.returncode == 0, done.stderr
    assert {path.stem for path in (tmp_path / "out/talk").iterdir()} == {"anna", "rest"}
