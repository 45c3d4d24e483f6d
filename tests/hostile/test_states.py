"""What a stopped run left, damaged: the next one names it, and says what to do; it never trusts half of it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sepvae.augmented.records import RECORDS, Record, read_records
from sepvae.errors import FAULT, CheckpointError, ConfigError, InputError
from sepvae.files import write_jsonl
from sepvae.recipe.ledger import Ledger
from sepvae.training.state import Progress, load_state, save_state

from .material import make_world, spoil_bytes, spoil_json, spoil_lines

many = settings(
    max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
HISTORY: list[dict[str, float]] = [{"epoch": 1, "step": 3, "train/total": 0.5}, {"epoch": 2, "step": 6}]


def trained() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    """Return a network that has taken a step, and its optimiser."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torch.nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    optimiser.step()
    return network, optimiser


@given(data=st.data())
@many
def test_a_damaged_state_of_training(data: st.DataObject, tmp_path: Path) -> None:
    network, optimiser = trained()
    saved = Progress("k", epoch=2, step=6, best_loss=0.25, history=HISTORY)
    save_state(tmp_path / "state", saved, networks=network, optimisers=[optimiser])
    if data.draw(st.booleans()):
        spoil_json(data, tmp_path / "state" / "state.json")
    else:
        spoil_bytes(data, tmp_path / "state" / "state.safetensors")
    try:
        found = load_state(tmp_path / "state", key="k", networks=network, optimisers=[optimiser])
    except (CheckpointError, ConfigError) as error:
        assert (str(tmp_path) in str(error) and "--overwrite" in str(error)) or "train anew" in str(error)
    else:
        assert found is not None and found.key == "k" and all("step" in row for row in found.history)
        # It can be gone on with.
        network(torch.ones(1, 3)).sum().backward()
        optimiser.step()


def test_a_sound_state_is_what_was_saved(tmp_path: Path) -> None:
    network, optimiser = trained()
    saved = Progress("k", epoch=2, step=6, best_loss=0.25, history=HISTORY)
    save_state(tmp_path / "state", saved, networks=network, optimisers=[optimiser])
    found = load_state(tmp_path / "state", key="k", networks=network, optimisers=[optimiser])
    assert found == saved
    # Counts stay whole numbers: the log is written again from them, byte for byte.
    assert found is not None and [type(row["step"]) for row in found.history] == [int, int]


@given(data=st.data())
@many
def test_a_damaged_record_of_a_stage(data: st.DataObject, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "stages", ignore_errors=True)
    ledger, output, record = Ledger(tmp_path / "stages"), tmp_path / "out.txt", tmp_path / "stages" / "mix.json"

    def work() -> None:
        output.write_text("made")

    ledger.run("mix", {"seed": 1}, [output], work)
    # What it took is another time at each attempt.
    processor = {"model": None, "cores": 2, "amx_bf16": None, "avx512_bf16": None}
    taken = {"core_seconds": 0.5, "processor": processor, "date": "2026-11-28"}
    record.write_text(json.dumps({**json.loads(record.read_text()), **taken}))
    spoil_json(data, record)
    with contextlib.suppress(InputError):
        ledger.run("mix", {"seed": 1}, [output], work)
        ledger.receipt("mix")
        assert output.read_text() == "made"


def test_a_damaged_record_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "mix.json").write_text('{"inputs": 5}')
    with pytest.raises(
        InputError, match=r"mix.json: inputs = 5: give text\n.*remove .*mix.json, and the stage is done"
    ):
        Ledger(tmp_path).receipt("mix")


RECORD = Record(
    *("a-noise-1", "a", "a.wav", "noise", 1, 7, ({"snr_db": 3.0},), "ann", "female", None, 8000, 100, 1), path="x.wav"
)


@given(data=st.data())
@many
def test_damaged_records_of_augmented_speech(data: st.DataObject, tmp_path: Path) -> None:
    write_jsonl(tmp_path / RECORDS, [RECORD.to_json()] * 2)
    assert list(read_records(tmp_path)) == [RECORD] * 2
    spoil_lines(data, tmp_path / RECORDS)
    try:
        found = list(read_records(tmp_path))
    except InputError as error:
        assert str(tmp_path / RECORDS) in str(error) and "--overwrite" in str(error)
    else:
        assert all(isinstance(one.n_samples, int) and isinstance(one.path, str) for one in found)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes of files")
@pytest.mark.parametrize("closed", ["model", "model/config.json", "model/model.safetensors", "a.wav", "run"])
def test_what_may_not_be_read_is_named(tmp_path: Path, closed: str) -> None:
    world, setpriv = make_world(tmp_path / "w"), shutil.which("setpriv")
    if os.geteuid() == 0 and setpriv is None:
        pytest.skip("root may read everything")
    # Root, without what makes it root over files.
    plain = [setpriv, "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    (world.folder / closed).chmod(0)
    separate = ["separate", "a.wav", "-m", "model", "-o", "out"]
    arguments = ["report", "run", "--markdown"] if closed == "run" else separate
    done = subprocess.run(
        [*plain, sys.executable, "-m", "sepvae", *arguments],
        cwd=world.folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert "ermission denied" in done.stderr and closed.split("/")[0] in done.stderr
    assert "Traceback" not in done.stderr and FAULT not in done.stderr
