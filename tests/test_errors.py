"""Errors: one family that also fits Python's own, with the next step in the text."""

from __future__ import annotations

import pytest

from sepvae import errors
from sepvae.errors import MissingExtra, SepvaeError

FAMILY = {
    "InputError": ValueError,
    "OutputError": OSError,
    "ConfigError": ValueError,
    "CheckpointError": Exception,
    "KilledWorker": Exception,
    "OutOfMemory": Exception,
    "MissingExtra": ImportError,
}


def test_the_family_is_closed_and_caught_by_one_name() -> None:
    found = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert found == {"SepvaeError", *FAMILY}
    # What was asked for is no error, and is not caught as one.
    assert not issubclass(errors.Cancelled, Exception)
    for name, builtin in FAMILY.items():
        assert issubclass(getattr(errors, name), (SepvaeError, builtin))
        assert issubclass(getattr(errors, name), builtin)


@pytest.mark.parametrize("name", sorted(FAMILY.keys() - {"MissingExtra"}))
def test_the_text_is_the_message(name: str) -> None:
    """An OSError with one argument keeps its text; with two it would show a number."""
    with pytest.raises(SepvaeError) as caught:
        raise getattr(errors, name)("a.wav: no such file")
    assert str(caught.value) == "a.wav: no such file"


def test_a_missing_extra_names_feature_cause_and_command() -> None:
    cause = ModuleNotFoundError("No module named 'pesq'")
    error = MissingExtra("PESQ", "pesq", cause)
    assert error.extra == "pesq"
    assert str(error) == ("PESQ needs the optional extra 'pesq' (No module named 'pesq'): pip install 'sepvae[pesq]'")
    assert str(MissingExtra("PESQ", "pesq")) == "PESQ needs the optional extra 'pesq': pip install 'sepvae[pesq]'"
