"""Names of devices."""

from __future__ import annotations

import pytest
import torch

from sepvae.devices import describe_processor, resolve_device, resolve_precision
from sepvae.errors import ConfigError


def test_known_names() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type in {"cpu", "cuda", "mps"}


@pytest.mark.parametrize("name", ["gpu", "", "cpu:", "cuda:x", "cuda:-1", "cuda:²", "meta", "CPU", "cuda:0:1", "xla"])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"unknown device .*: give auto, cpu, cuda, cuda:N or mps"):
        resolve_device(name)


def test_devices_that_are_not_there_are_counted() -> None:
    with pytest.raises(ConfigError, match=r"device 'cpu:1': this machine has 1 of that kind: give --device cpu"):
        resolve_device("cpu:1")
    if not torch.cuda.is_available():
        with pytest.raises(ConfigError, match=r"device 'cuda': this machine has 0 of that kind"):
            resolve_device("cuda")


def test_a_precision_that_is_named_is_taken() -> None:
    assert resolve_precision("32-true", "cpu") == "32-true"
    assert resolve_precision("bf16-mixed", "cpu") == "bf16-mixed"


@pytest.mark.parametrize(
    ("units", "precision"),
    [
        ({"amx_bf16": True, "avx512_bf16": True}, "bf16-mixed"),
        ({"amx_bf16": False, "avx512_bf16": True}, "bf16-mixed"),
        ({"amx_bf16": False, "avx512_bf16": False}, "32-true"),
        ({}, "32-true"),
        (None, "32-true"),
    ],
)
def test_auto_takes_what_the_processor_is_good_at(
    units: dict[str, bool] | None, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if units is None:
        monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    else:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units, raising=False)
    assert resolve_precision("auto", "cpu") == precision


def test_what_a_processor_is_called_and_can_do(monkeypatch: pytest.MonkeyPatch) -> None:
    found = describe_processor()
    assert found["cores"] and (found["model"] is None or found["model"].strip())
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": False, "avx512_bf16": True}, raising=False)
    assert (describe_processor()["amx_bf16"], describe_processor()["avx512_bf16"]) == (False, True)
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert (describe_processor()["amx_bf16"], describe_processor()["avx512_bf16"]) == (None, None)
