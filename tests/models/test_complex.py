"""Complex networks: their layers are complex arithmetic, and turn with the phase of their input."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from sepvae.errors import ConfigError
from sepvae.models.complex_dense import ComplexDense, ComplexDenseConfig, ComplexLinear, ModRelu, modulus
from sepvae.models.complex_pair import ComplexPair, ComplexPairConfig
from sepvae.models.contract import ModelChoice

BINS = 4


def parts(values: Tensor) -> Tensor:
    return torch.cat([values.real, values.imag], dim=-1)


def whole(values: Tensor) -> Tensor:
    return torch.complex(*values.chunk(2, dim=-1))


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.complex128)


def make(network: type[Any], config: Any) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return network(config, n_inputs=2 * BINS, n_outputs=2 * BINS).double().eval()


def test_a_complex_layer_is_a_complex_product() -> None:
    layer = ComplexLinear(5, 3).double()
    values, weight = random(2, 7, 5), torch.complex(layer.real, layer.imaginary)
    torch.testing.assert_close(whole(layer(parts(values))), values @ weight.T)


def test_mod_relu_leaves_phases() -> None:
    values = random(6, 5)
    layer = ModRelu(5).double()
    torch.nn.init.normal_(layer.bias, generator=torch.Generator().manual_seed(1))
    out = whole(layer(parts(values)))
    torch.testing.assert_close(out.angle(), values.angle())
    size = values.abs()
    torch.testing.assert_close(out.abs(), size * (1 + (size + layer.bias).exp()).log() / (size + 1))
    torch.testing.assert_close(modulus(parts(values)), size)


@pytest.mark.parametrize("phase", [0.3, math.pi / 2, 3.0])
def test_the_jointly_complex_network_turns_with_its_input(phase: float) -> None:
    network, values = make(ComplexDense, ComplexDenseConfig(hidden=(6, 5), latent=3)), random(1, 8, BINS)
    for layer in (*network.encoder, *network.decoder):
        if isinstance(layer, ModRelu):
            torch.nn.init.normal_(layer.bias, generator=torch.Generator().manual_seed(1))
    turn = torch.polar(torch.ones((), dtype=torch.float64), torch.tensor(phase, dtype=torch.float64))
    plain, turned = network.encode(parts(values)), network.encode(parts(turn * values))
    torch.testing.assert_close(whole(turned.mean), turn * whole(plain.mean))
    torch.testing.assert_close(turned.log_variance, plain.log_variance)
    spectra = [whole(network.decode(q.mean).spectrum) for q in (plain, turned)]
    torch.testing.assert_close(spectra[1], turn * spectra[0])


def test_the_pair_keeps_its_parts_apart() -> None:
    network, values = make(ComplexPair, ComplexPairConfig(hidden=(6,), latent=3)), parts(random(1, 8, BINS))
    other = values.clone()
    other[..., BINS:] += 1
    spectra = [network.decode(network.encode(part).mean).spectrum for part in (values, other)]
    assert torch.equal(spectra[0][..., :BINS], spectra[1][..., :BINS])
    assert not torch.equal(spectra[0][..., BINS:], spectra[1][..., BINS:])
    assert (spectra[0] < 0).any()


@pytest.mark.parametrize("kind", ["complex_pair", "complex_dense"])
def test_features_without_phase_are_refused(kind: str) -> None:
    with pytest.raises(ConfigError, match="takes real and imaginary parts: set input and target to kind complex"):
        ModelChoice.of(kind, {}).build(n_inputs=257, n_outputs=257)
