"""What a stopped run left, damaged: the next one names it, and says what to do; it never trusts half of it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sepvae.augmented.records import RECORDS, Record, read_records
from sepvae.errors import CheckpointError, ConfigError, InputError
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
    ledger, output = Ledger(tmp_path / "stages"), tmp_path / "out.txt"

    def work() -> None:
        output.write_text("made")

    ledger.run("mix", {"seed": 1}, [output], work)
    spoil_json(data, tmp_path / "stages" / "mix.json")
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


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("closed", ["model", "model/config.json", "model/model.safetensors", "a.wav", "run"])
def test_what_may_not_be_read_is_named(tmp_path_factory: pytest.TempPathFactory, closed: str) -> None:
    """Of a user who may enter the folder that it is in, and no further."""
    world = make_world(tmp_path_factory.mktemp("closed") / "w")
    for folder in (world.folder, *world.folder.parents):
        if folder.owner() == "root" and str(folder).startswith("/tmp/"):  # noqa: S108 (only what pytest made)
            folder.chmod(0o755)
    (world.folder / closed).chmod(0)
    arguments: list[Any] = (
        ["report", "run", "--markdown"] if closed == "run" else ["separate", "a.wav", "-m", "model", "-o", "out"]
    )
    code = f"import sys, sepvae.cli; sys.exit(sepvae.cli.main({json.dumps(arguments)}))"
    become = "import os; os.setgid(65534); os.setuid(65534); "
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", f"import torch, sepvae.cli.separate, sepvae.recipe.run; {become}{code}"],
        cwd=world.folder,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert "Permission denied" in done.stderr and closed.split("/")[0] in done.stderr
    assert "Traceback" not in done.stderr
