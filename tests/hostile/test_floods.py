"""What would fill the memory or never end: each is answered by a sentence, within a gigabyte and ten seconds.

Measured on processes of their own; the peak is what Linux says of a process that has ended.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from .material import RECIPE, World, make_world

linux = pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read as Linux counts it")
# Ten seconds of a machine that does nothing else: of a busy one, the time of the processor counts.
MOST_KIB, MOST_S = 1 << 20, 10.0


def recipe(world: World, **changes: Any) -> None:
    world.recipe_yaml.write_text(json.dumps({**RECIPE, **changes}))


def recipe_text(world: World, text: str) -> None:
    world.recipe_yaml.write_text(text)


def including(world: World) -> None:
    """Nine files, each of which includes the next one twice."""
    for number in range(8):
        name = world.folder / ("recipe.yaml" if number == 0 else f"{number}.yaml")
        name.write_text(yaml.safe_dump({"include": [f"{number + 1}.yaml"] * 20, "title": "t"}))
    (world.folder / "8.yaml").write_text("title: t\n")


def placed(world: World) -> None:
    """Three files, each of which puts the next one under a thousand keys."""
    for number in range(3):
        name = world.folder / ("recipe.yaml" if number == 0 else f"{number}.yaml")
        at = [f"a{key}" for key in range(1000)]
        name.write_text(yaml.safe_dump({"include": {"file": f"{number + 1}.yaml", "at": at}}))
    (world.folder / "3.yaml").write_text("title: t\n")


def manifest(world: World, of_source: dict[str, Any] | None = None, **changes: Any) -> None:
    path = world.folder / "mixtures.jsonl"
    header, *records = path.read_text().splitlines()
    mixture = json.loads(records[0])
    mixture["sources"][0].update(of_source or {})
    path.write_text("\n".join([header, json.dumps({**mixture, **changes}), *records[1:]]) + "\n")


def source(world: World, **changes: Any) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((world.folder / "mixtures.jsonl").read_text().splitlines()[1])
    return {**record["sources"][0], **changes}


def scene(**changes: Any) -> dict[str, Any]:
    places = {"microphones_m": [[1, 1, 1]], "sources_m": [[2, 2, 1], [3, 2, 1]]}
    return {"kind": "simulated", "n_microphones": 1, "azimuths_deg": [0, 90], "absorption": 0.3, **places, **changes}


def model(world: World, **settings: Any) -> None:
    path = world.folder / "model" / "config.json"
    config = json.loads(path.read_text())
    config["estimator"]["model"]["settings"].update(settings)
    path.write_text(json.dumps(config))


def other_model(world: World, kind: str, **settings: Any) -> None:
    path = world.folder / "model" / "config.json"
    config = json.loads(path.read_text())
    config["estimator"]["model"] = {"kind": kind, "settings": settings}
    path.write_text(json.dumps(config))


def sparse(path: Path, n_bytes: int = 100 << 30, start: bytes = b"") -> None:
    """Make a file of any size, which takes no room on the disk."""
    with path.open("wb") as file:
        file.write(start)
        file.truncate(n_bytes)


def large_weights(world: World) -> None:
    header = json.dumps({"extra": {"dtype": "F32", "shape": [25 << 30], "data_offsets": [0, 100 << 30]}}).encode()
    start = struct.pack("<Q", len(header)) + header
    sparse(world.folder / "model" / "model.safetensors", (100 << 30) + len(start), start)


def results(world: World, change: Callable[[dict[str, Any]], object]) -> None:
    path = world.folder / "run" / "results.json"
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


CHECK, INFO = ["recipe", "check", "recipe.yaml"], ["separate", "a.wav", "-m", "model", "-o", "out"]
TRAIN = ["train", "mixtures.jsonl", "--corpus", "corpus", "-o", "out", "-d", "cpu", "--config", "settings.yaml"]
MIX, PAGE = ["mix", "corpus", "-o", "out.jsonl", "--set"], ["report", "run", "--markdown"]
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
FLOODS: dict[str, tuple[Callable[[World], object], list[str], str]] = {
    "aliases": (lambda w: recipe_text(w, BOMB), CHECK, "holds more than 50000 values, its aliases written out"),
    "alias of itself": (lambda w: recipe_text(w, "title: &a [*a]"), CHECK, "a value that contains itself"),
    "deep lists": (lambda w: recipe_text(w, "title: " + "[" * 50_000), CHECK, "is nested more than 40 levels deep"),
    "deep mappings": (
        lambda w: recipe_text(w, "{a: " * 900 + "1" + "}" * 900),
        CHECK,
        "is nested more than 40 levels deep",
    ),
    "long recipe": (lambda w: sparse(w.recipe_yaml), CHECK, "is larger than 800000 bytes"),
    "many digits": (lambda w: recipe_text(w, "seed: " + "9" * 5000), CHECK, "a number of thousands of digits"),
    "many digits in hexadecimal": (
        lambda w: recipe_text(w, "seed: 0x" + "f" * 50_000),
        CHECK,
        "holds a number of 200000 bits: give one of at most 64",
    ),
    "digits in sixties": (
        lambda w: recipe_text(w, "seed: " + ":".join(["59"] * 20_000)),
        CHECK,
        "holds a number of 118138 bits",
    ),
    "impossible day": (lambda w: recipe_text(w, "title: 2024-13-45"), CHECK, "not valid YAML: month must be in 1..12"),
    "includes that multiply": (including, CHECK, "is file 201 of those that are included"),
    "places that multiply": (placed, CHECK, "holds more than 50000 values, its aliases written out"),
    "cells that multiply": (
        lambda w: recipe(w, grid=[{"system": "nmf", "cells": {f"c{n}": {"n_atoms": 4} for n in range(5000)}}]),
        CHECK,
        "give at most 500",
    ),
    "atoms": (
        lambda w: recipe(w, grid=[{"system": "nmf", "cells": {"a": {"n_atoms": 10**300}}}]),
        CHECK,
        "holds a number of 997 bits",
    ),
    "sources": (lambda w: recipe(w, mixing={"sources": ["any"] * 10_000}), CHECK, "mixing.sources = "),
    "size of a room": (
        lambda w: None,
        [*MIX, "room.size_m=[4, 1e300, 3]"],
        "room.size_m.1.0 = 1e+300: give 1000 or less",
    ),
    "size and reverberation": (
        lambda w: None,
        [*MIX, "room={size_m: [900, 900, 900], rt60_s: 60, n_microphones: 64}"],
        "samples of the room's responses = ",
    ),
    "batch": (
        lambda w: None,
        [*TRAIN, "--set", "optimiser.batch_size=1000000000"],
        "optimiser.batch_size = 1000000000: give 262144 or less",
    ),
    "batch of long segments": (
        lambda w: None,
        [*TRAIN, "--set", "optimiser.batch_size=100000", "--set", "optimiser.segment_frames=100000"],
        "frames of a batch (batch_size x segment_frames) = 1e+10",
    ),
    "processes": (
        lambda w: None,
        ["evaluate", "--references", "x", "--estimates", "y", "-j", "1000000000"],
        "-j/--jobs: 1000000000: give 1024 or less",
    ),
    "talkers": (
        lambda w: None,
        ["demix", "a.wav", "-o", "out", "--talkers", "1000000000"],
        "--talkers: 1000000000: give 64 or less",
    ),
    "speakers": (
        lambda w: None,
        ["corpus", "demo", "out", "--speakers", "1000000000"],
        "--speakers: 1000000000: give 1000 or less",
    ),
    "seed": (
        lambda w: None,
        ["mix", "corpus", "-o", "out.jsonl", "--seed", "9" * 4000],
        "is more than 9223372036854775807",
    ),
    "length of a mixture": (
        lambda w: manifest(w, n_samples=10**12),
        TRAIN,
        "line 2: n_samples = 1000000000000: give 67108864 or less",
    ),
    "length of a source": (
        lambda w: manifest(w, {"n_samples": 10**12}, n_samples=10**12),
        TRAIN,
        "sources.0.n_samples = 1000000000000: give 67108864 or less",
    ),
    "place of a source": (
        lambda w: manifest(w, {"offset": 60_000_000}, n_samples=60_000_000),
        TRAIN,
        "samples of all sources of the mixture = ",
    ),
    "start of a noise": (
        lambda w: manifest(w, noise=source(w, start=1 << 39, n_samples=4000)),
        TRAIN,
        "make the mixtures anew",
    ),
    "loop of a noise": (
        lambda w: manifest(w, noise=source(w, loop=[0, 1 << 50])),
        TRAIN,
        "noise.loop.1 = 1125899906842624: give 1099511627776 or less",
    ),
    "rate": (lambda w: manifest(w, sample_rate=1), TRAIN, "sample_rate = 1: give 1000 or more"),
    "high rate": (lambda w: manifest(w, sample_rate=10**9), TRAIN, "sample_rate = 1000000000: give 384000 or less"),
    "sources of a mixture": (
        lambda w: manifest(w, sources=[source(w, name=f"s{n}") for n in range(10_000)]),
        TRAIN,
        "give at most 100",
    ),
    "room of a mixture": (
        lambda w: manifest(w, scene=scene(size_m=[1e300] * 3, max_order=100)),
        TRAIN,
        "scene.size_m.2 = 1e+300: give 1000 or less",
    ),
    "reflections": (
        lambda w: manifest(w, scene=scene(size_m=[5, 4, 3], max_order=150)),
        TRAIN,
        "image sources of the room = 9e+06",
    ),
    "wide room": (
        lambda w: manifest(w, scene=scene(size_m=[1000, 1000, 1000], max_order=120)),
        TRAIN,
        "image sources of the room = 4.608e+06",
    ),
    "long manifest": (lambda w: sparse(w.folder / "mixtures.jsonl"), TRAIN, "has a line of more than 16777216 bytes"),
    "deep record": (lambda w: (w.folder / "mixtures.jsonl").write_text("[" * 10**6), TRAIN, "line 1: not valid JSON"),
    "many values": (
        lambda w: (w.folder / "mixtures.jsonl").write_text("[" + "[]," * 10**7),
        TRAIN,
        "has a line of more than 16777216 bytes",
    ),
    "sparse weights": (
        lambda w: sparse(w.folder / "model" / "model.safetensors"),
        INFO,
        "has 107374182400 bytes, at most",
    ),
    "sparse weights with a header": (large_weights, INFO, "bytes, at most 601048576 are read"),
    "header of weights": (
        lambda w: (w.folder / "model" / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 62) + b"{}"),
        INFO,
        "header too large",
    ),
    "sparse config": (lambda w: sparse(w.folder / "model" / "config.json"), INFO, "is larger than 67108864 bytes"),
    "wide network": (lambda w: model(w, hidden=[65536] * 64), INFO, "weights of the model = 1.082e+12"),
    "filters": (
        lambda w: other_model(w, "conv_tasnet", filters=10**9),
        INFO,
        "filters = 1000000000: give 4096 or less",
    ),
    "filters of two samples": (
        lambda w: other_model(w, "conv_tasnet", filters=4096, filter_samples=2),
        INFO,
        "values for each sample = 4096",
    ),
    "sequences": (
        lambda w: other_model(w, "fhvae", sequences=10**9),
        INFO,
        "sequences = 1000000000: give 1000000 or less",
    ),
    "decimals": (
        lambda w: results(w, lambda r: r["measure_facts"][0].update(decimals=10**9)),
        PAGE,
        "decimals = 1000000000: give 12 or less",
    ),
    "large results": (lambda w: sparse(w.folder / "run" / "results.json"), PAGE, "is larger than 67108864 bytes"),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world") / "sound")


@linux
@pytest.mark.slow
@pytest.mark.parametrize("name", FLOODS)
def test_no_input_floods_the_memory_or_never_ends(tmp_path: Path, world: World, name: str) -> None:
    spoil, arguments, words = FLOODS[name]
    spoiled = world.copy(tmp_path / "w")
    spoil(spoiled)
    paths = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
    with (tmp_path / "err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "sepvae", *arguments],
            cwd=spoiled.folder,
            env={**os.environ, "PYTHONPATH": paths},
            stdout=subprocess.DEVNULL,
            stderr=err,
        )
        until = time.monotonic() + 120
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0] and time.monotonic() < until:
            time.sleep(0.02)
        if not ended[0]:
            process.kill()
        process.returncode = os.waitstatus_to_exitcode(ended[1])
    said = (tmp_path / "err").read_text(errors="replace")
    used = ended[2]
    assert ended[0], "it never ends"
    assert process.returncode in (1, 2), said
    assert said.count("sepvae") and "Traceback" not in said and "a fault of sepvae" not in said, said
    assert words in said
    assert len(said) < 20_000
    assert used.ru_maxrss < MOST_KIB
    assert used.ru_utime + used.ru_stime < MOST_S
    shutil.rmtree(spoiled.folder)
