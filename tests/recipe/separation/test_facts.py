"""What a page says of the systems of a recipe: by what they are, and not by what they are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sepvae.config import parse_config
from sepvae.errors import ConfigError
from sepvae.recipe.catalogue import find_recipe
from sepvae.recipe.kinds import load_recipe
from sepvae.recipe.separation.schema import SeparationRecipe
from sepvae.recipe.separation.stages import competitors
from sepvae.systems.contract import SystemFacts, describe_systems


def described(systems: dict[str, Any]) -> dict[str, SystemFacts]:
    return describe_systems(parse_config(SeparationRecipe, {"title": "t", "systems": systems}, where="test").systems)


def test_what_uses_the_references_competes_under_no_name() -> None:
    found = described(
        {
            "my_bound": {"kind": "ideal_mask"},
            "oracle_wiener": {"kind": "ideal_mask", "settings": {"mask": "wiener"}},
            "ideal_binary_mask": {"kind": "ideal_mask", "label": "Binary"},
            "vae": {"kind": "oracle_demixing"},
            "behind": {"kind": "filtered", "settings": {"of": "my_bound"}},
            "behind_it": {"kind": "filtered", "settings": {"of": "vae"}},
        }
    )
    roles = ["ceiling", "ceiling", "ceiling", "informed", "ceiling", "informed"]
    assert [facts.role for facts in found.values()] == roles
    assert all("references" in facts.needs for facts in found.values())
    masks = ["Ideal ratio mask, 16/8 ms", "Ideal Wiener mask, 16/8 ms", "Binary"]
    others = ["Oracle demixing", "Ideal ratio mask, 16/8 ms + BPF", "Oracle demixing + BPF"]
    assert [facts.label for facts in found.values()] == [*masks, *others]


def test_the_label_of_an_ideal_mask_has_its_stft() -> None:
    stft = {"window_ms": 64, "hop_ms": 16}
    found = described(
        {
            "hann": {"kind": "ideal_mask", "settings": {"mask": "wiener", "stft": stft}},
            "sine": {"kind": "ideal_mask", "settings": {"stft": {**stft, "window": "sine"}}},
        }
    )
    assert [facts.label for facts in found.values()] == [
        "Ideal Wiener mask, 64/16 ms",
        "Ideal ratio mask, 64/16 ms, sine",
    ]


def test_names_that_look_like_others_mean_nothing() -> None:
    found = described(
        {
            "mixture_of_experts": {"kind": "source_models"},
            "hard_negative_vae": {"kind": "source_models"},
            "none": {"kind": "nmf"},
        }
    )
    assert found == {
        "mixture_of_experts": ("mixture_of_experts", "ours", (), True),
        "hard_negative_vae": ("hard_negative_vae", "ours", (), True),
        "none": ("KL-NMF", "baseline", (), True),
    }


def test_ica_is_informed_and_does_not_compete() -> None:
    systems = {
        "mine": {"kind": "ica"},
        "mixture": {"kind": "mixture"},
        "bpf": {"kind": "filtered"},
        "nmf": {"kind": "nmf"},
    }
    assert described(systems)["mine"] == ("ICA (2 channels)", "informed", ("references",), True)
    recipe = parse_config(SeparationRecipe, {"title": "t", "systems": systems}, where="test")
    assert competitors(recipe) == ["mixture", "bpf", "nmf"]


@pytest.mark.parametrize(
    ("system", "message"),
    [
        ({"kind": "ideal_mask", "role": "ours"}, "system a: role = ours: it uses the true sources: leave role"),
        ({"kind": "ica", "role": "baseline"}, "system a: role = baseline: it uses the true sources: leave role out"),
        ({"kind": "filtered", "settings": {"of": "b"}, "role": "baseline"}, "it uses the true sources: leave role out"),
        ({"kind": "mixture", "role": "ours"}, "it does nothing: leave role out"),
        ({"kind": "nmf", "role": "ceiling"}, "systems.a.role = 'ceiling'"),
        ({"kind": "nmf", "label": ""}, "systems.a.label = ''"),
    ],
)
def test_a_role_cannot_hide_what_a_system_is(system: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        described({"a": system, "b": {"kind": "ideal_mask"}})


def test_labels_follow_from_settings_and_from_what_is_filtered() -> None:
    found = described(
        {
            "a": {"kind": "nmf", "settings": {"divergence": "itakura_saito"}},
            "b": {"kind": "source_models", "label": "VAE"},
            "c": {"kind": "filtered", "settings": {"of": "b"}},
            "d": {"kind": "filtered", "settings": {"of": "mixture"}},
            "mixture": {"kind": "mixture"},
            "e": {"kind": "enhancement", "settings": {"enhancement": {"inference": "mcem"}}},
        }
    )
    labels = ["IS-NMF", "VAE", "VAE + BPF", "BPF", "Mixture", "VAE + NMF (MCEM)"]
    assert [facts.label for facts in found.values()] == labels
    # A filter draws what is before it.
    assert [facts.draws for facts in found.values()] == [True, True, True, False, False, True]


def test_systems_that_would_be_called_alike_are_told_apart() -> None:
    found = described(
        {"few": {"kind": "nmf"}, "many": {"kind": "nmf", "settings": {"n_atoms": 80}}, "ica": {"kind": "ica"}}
    )
    assert [facts.label for facts in found.values()] == ["KL-NMF: few", "KL-NMF: many", "ICA (2 channels)"]


def test_a_label_goes_with_its_kind(tmp_path: Path) -> None:
    recipe = load_recipe(find_recipe("timit/vae"), overrides=["systems.vae.kind=nmf"])
    assert recipe.systems["vae"].label is None


# What the page has shown of every system of sepvae's recipes since they were written.
ROLES = {
    "floor": {"Mixture"},
    "baseline": {
        *("KL-NMF", "IS-NMF", "Wavelet", "Filter bank", "BPF", "VAE + BPF", "Conv-TasNet"),
        "KL-NMF (100 atoms, the paper's)",
        *(
            "MLAE",
            "GAN",
            "WGAN",
            "AE-WGAN",
            "CDAE",
            "VRNN of the mixture",
            "ITL-AE (CS)",
            "ITL-AE (ED)",
            "VASS",
            "Weak-class VAE",
        ),
        *("Complex VAE", "Complex VAE + BPF", "AuxIVA", "ILRMA", "FastMNMF2"),
    },
    "ours": {
        *("VAE", "β-VAE", "Temporal VAE", "VAE + NMF (MCEM)", "VAE + NMF (MAP)", "VAE + NMF (Langevin)"),
        *("MVAE", "FastMVAE", "FastMVAE2 (as published)", "FastMVAE2, our training", "FastMVAE2 + gradient steps"),
        *("MVAE + WPE", "MVAE + post-filter", "GMVAE"),
    },
    "informed": {"ICA (2 channels)", "Oracle demixing"},
    "ceiling": {
        *("Ideal ratio mask, 64/16 ms", "Ideal Wiener mask, 64/16 ms", "Ideal Wiener mask, 64/16 ms, sine"),
        *("Ideal Wiener mask, 32/16 ms", "Ideal Wiener mask, 32/8 ms", "Ideal Wiener mask, 16/8 ms"),
    },
}


def test_the_systems_of_the_recipes_are_what_they_were() -> None:
    found: dict[str, set[str]] = {role: set() for role in ROLES}
    for name in ("timit/compare_all", "timit/gass", "noise/table2", "noise/enhancement", "multichannel/compare"):
        for facts in describe_systems(load_recipe(find_recipe(name)).systems).values():
            found[facts.role].add(facts.label)
    assert found == ROLES


def test_the_cells_of_a_grid_are_called_by_their_system() -> None:
    found = describe_systems(load_recipe(find_recipe("timit/hyperparameters")).systems)
    assert found["vae_latent_32"] == ("VAE: latent 32", "ours", (), True)
    assert found["itl_ae_cs_kernel_1000"] == ("ITL-AE (CS): kernel 1000", "baseline", (), True)
