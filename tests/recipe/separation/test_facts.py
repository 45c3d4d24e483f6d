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
from sepvae.systems.contract import describe_systems


def described(systems: dict[str, Any]) -> dict[str, tuple[str, str, tuple[str, ...]]]:
    recipe = parse_config(SeparationRecipe, {"title": "t", "systems": systems}, where="test")
    return {name: tuple(facts) for name, facts in describe_systems(recipe.systems).items()}  # type: ignore[misc]


def test_what_uses_the_references_is_a_ceiling_under_any_name() -> None:
    found = described(
        {
            "my_bound": {"kind": "ideal_mask"},
            "oracle_wiener": {"kind": "ideal_mask", "settings": {"mask": "wiener"}},
            "ideal_binary_mask": {"kind": "ideal_mask", "label": "Binary"},
            "vae": {"kind": "oracle_demixing"},
            "behind": {"kind": "filtered", "settings": {"of": "my_bound"}},
        }
    )
    assert {role for _, role, _ in found.values()} == {"ceiling"}
    assert all("references" in needs for _, _, needs in found.values())
    labels = ["Ideal ratio mask", "Ideal Wiener", "Binary", "Oracle demixing", "Ideal ratio mask + BPF"]
    assert [label for label, _, _ in found.values()] == labels


def test_names_that_look_like_others_mean_nothing() -> None:
    found = described(
        {
            "mixture_of_experts": {"kind": "source_models"},
            "hard_negative_vae": {"kind": "source_models"},
            "none": {"kind": "nmf"},
        }
    )
    assert found == {
        "mixture_of_experts": ("mixture_of_experts", "ours", ()),
        "hard_negative_vae": ("hard_negative_vae", "ours", ()),
        "none": ("KL-NMF", "baseline", ()),
    }


def test_ica_is_a_baseline_that_does_not_compete() -> None:
    systems = {
        "mine": {"kind": "ica"},
        "mixture": {"kind": "mixture"},
        "bpf": {"kind": "filtered"},
        "nmf": {"kind": "nmf"},
    }
    assert described(systems)["mine"] == ("ICA (2 channels)", "baseline", ("references",))
    recipe = parse_config(SeparationRecipe, {"title": "t", "systems": systems}, where="test")
    assert competitors(recipe) == ["mixture", "bpf", "nmf"]


@pytest.mark.parametrize(
    ("system", "message"),
    [
        ({"kind": "ideal_mask", "role": "ours"}, "system a: role = ours: it uses the true sources and is a ceiling"),
        ({"kind": "ica", "role": "ours"}, "system a: role = ours: it uses the true sources and is a baseline"),
        (
            {"kind": "filtered", "settings": {"of": "b"}, "role": "baseline"},
            "it uses the true sources and is a ceiling",
        ),
        ({"kind": "mixture", "role": "ours"}, "it does nothing and is a floor: leave role out"),
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
    assert [label for label, _, _ in found.values()] == labels


def test_systems_that_would_be_called_alike_are_told_apart() -> None:
    found = described(
        {"few": {"kind": "nmf"}, "many": {"kind": "nmf", "settings": {"n_atoms": 80}}, "ica": {"kind": "ica"}}
    )
    assert [label for label, _, _ in found.values()] == ["KL-NMF: few", "KL-NMF: many", "ICA (2 channels)"]


def test_a_label_goes_with_its_kind(tmp_path: Path) -> None:
    recipe = load_recipe(find_recipe("timit/vae"), overrides=["systems.vae.kind=nmf"])
    assert recipe.systems["vae"].label is None


# What the page has shown of every system of sepvae's recipes since they were written.
ROLES = {
    "floor": {"Mixture"},
    "baseline": {
        *("KL-NMF", "IS-NMF", "ICA (2 channels)", "Wavelet", "Filter bank", "BPF", "VAE + BPF", "Conv-TasNet"),
        *("MLAE", "GAN", "WGAN", "AE-WGAN", "CDAE", "ITL-AE (CS)", "ITL-AE (ED)", "VASS", "Weak-class VAE"),
        "VRNN of the mixture",
        *("Complex VAE", "Complex VAE + BPF", "AuxIVA", "ILRMA", "FastMNMF2"),
    },
    "ours": {
        *("VAE", "β-VAE", "Temporal VAE", "VAE + NMF (MCEM)", "VAE + NMF (MAP)", "VAE + NMF (Langevin)"),
        *("MVAE", "FastMVAE", "FastMVAE2 + gradient steps", "MVAE + WPE", "MVAE + post-filter", "GMVAE"),
    },
    "ceiling": {"Ideal ratio mask", "Ideal Wiener", "Oracle demixing"},
}


def test_the_systems_of_the_recipes_are_what_they_were() -> None:
    found: dict[str, set[str]] = {role: set() for role in ROLES}
    for name in ("timit/compare_all", "timit/gass", "noise/table2", "noise/enhancement", "multichannel/compare"):
        for facts in describe_systems(load_recipe(find_recipe(name)).systems).values():
            found[facts.role].add(facts.label)
    assert found == ROLES


def test_the_cells_of_a_grid_are_called_by_their_system() -> None:
    found = describe_systems(load_recipe(find_recipe("timit/hyperparameters")).systems)
    assert found["vae_latent_32"] == ("VAE: latent 32", "ours", ())
    assert found["itl_ae_cs_kernel_1000"] == ("ITL-AE (CS): kernel 1000", "baseline", ())
