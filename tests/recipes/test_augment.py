"""The recipes of augmentation in their quick form on TIMIT's sample, as a user runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ARMS = ("none", "classical", "replace", "soft", "hard", "both")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["does_it_help", "clean_model"])
def test_the_quick_form_runs_and_recognises(name: str, corpora: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sepvae", "recipe", "run", f"augment/{name}", "--quick"]
    more = ["--set", f"folders.noise={corpora / 'noise'}", "--set", f"folders.rooms={corpora / 'rir/surrey-room-a'}"]
    data = ["--corpus", str(corpora / "timit-sample"), "--out", str(tmp_path), "--jobs", "2"]
    done = subprocess.run([*command, *more, *data], capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "mismatched" in done.stdout and "of the phones are lost by replacement" in done.stdout
    results: dict[str, Any] = json.loads((tmp_path / "results.json").read_text())
    for part in results["order"]:
        means = {arm: results["splits"][part]["systems"][arm]["phone_accuracy"]["mean"] for arm in ARMS}
        # The most frequent of 39 phones, silence, is a fifth of them.
        assert min(means.values()) > 28, means
    clean, mismatched = (
        results["splits"][part]["systems"]["none"]["phone_accuracy"] for part in ("clean", "mismatched")
    )
    assert clean["mean"] > 45
    assert clean["mean"] - mismatched["mean"] > 4
    assert clean["ci95"][0] < clean["mean"] < clean["ci95"][1]
    # What is not damaged is in it.
    listed, whole = ((tmp_path / f"{name}.jsonl").read_text().splitlines() for name in ("utterances", "whole"))
    assert listed == whole and len(whole) > 100
    lost = [check for check in results["checks"] if "lost" in check["text"]]
    assert all(check["passed"] for check in lost), lost
    assert "<html" in (tmp_path / "report.html").read_text()[:200]
