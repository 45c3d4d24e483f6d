"""Networks on the device `meta`, where every model folder is checked: without torch's compiler, a second to import."""

from __future__ import annotations

import subprocess
import sys

from sepvae.presets import preset_names

_CODE = """
import sys
from sepvae.config import parse_config
from sepvae.models.network import TrainingFacts
from sepvae.settings import merge, preset
from sepvae.training.config import TrainingConfig, fresh_checkpoint
for name in sys.argv[1:]:
    config = parse_config(TrainingConfig, preset(name), where=name)
    found = config.model.entry.settings_from(config.model.config(), TrainingFacts(2, ("anna", "ben")))
    config = config.model_copy(update={"model": config.model.with_settings(**found)})
    fresh_checkpoint(config, ["a", "b"]).config.build(device="meta")
    if "torch._dynamo" in sys.modules:
        sys.exit(f"{name} imports torch._dynamo")
"""


def test_no_preset_loads_the_compiler_of_torch() -> None:
    done = subprocess.run([sys.executable, "-c", _CODE, *preset_names()], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
