"""What of a test condition was heard in training: its kind and its settings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from sepvae.augmentation.contract import augmentation_class, split_chain
from sepvae.config import Config, parse_config
from sepvae.recipe.augmentation.schema import AugmentationSettings


class Heard(NamedTuple):
    """How much of a condition some training speech has been through.

    `how` is `within` where each of its methods was among those of training, with ranges that hold its own; `beyond`
    where settings, the `outside` ones, lie beyond these ranges; `never` where one of its methods was not. `synthetic`
    says that it was made of synthetic noise or rooms in training, and of recordings in the test.
    """

    how: Literal["within", "beyond", "never"]
    outside: tuple[str, ...] = ()
    synthetic: bool = False

    @property
    def words(self) -> str:
        """The same in words."""
        if self.how == "never":
            return "not heard"
        parts = [f"of other {' and '.join(self.outside)}"] if self.outside else ["within the ranges of training"]
        return "heard, " + ", ".join([*parts, *(["synthetic"] if self.synthetic else [])])


def how_heard(condition: AugmentationSettings, training: AugmentationSettings) -> Heard:
    """Compare a test condition with an augmentation that training speech went through.

    Example:
        >>> telephone = {"band_pass": {"low_hz": 300, "high_hz": 3400}}
        >>> heard = AugmentationSettings(methods=("band_pass",))
        >>> how_heard(AugmentationSettings(methods=("band_pass",), settings=telephone), heard).how
        'within'
        >>> narrow = {"band_pass": {"low_hz": 500, "high_hz": 2500}}
        >>> how_heard(AugmentationSettings(methods=("band_pass",), settings=narrow), heard)
        Heard(how='beyond', outside=('low_hz', 'high_hz'), synthetic=False)
    """
    known = dict(links(training))
    outside, synthetic = list[str](), False
    for name, own in links(condition):
        if name not in known:
            return Heard("never")
        outside += [key for key, value in own if not _holds(getattr(known[name], key), value)]
        folders = [getattr(config, "folder", None) is not None for config in (own, known[name])]
        synthetic = synthetic or folders == [True, False]
    return Heard("beyond" if outside else "within", tuple(outside), synthetic)


def links(augmentation: AugmentationSettings) -> Iterator[tuple[str, Config]]:
    """Yield the augmentations in the chains of a setting, each with its own settings."""
    for name in dict.fromkeys(link for method in augmentation.methods for link in split_chain(method)):
        config = augmentation_class(name).Config
        yield name, parse_config(config, augmentation.settings.get(name, {}), where=name)


def _holds(range_: Any, value: Any) -> bool:
    """Whether a range holds another one, or a number that of the test; what is neither says nothing."""
    if not isinstance(value, tuple) or not all(isinstance(end, (int, float)) for end in value) or not value:
        return True
    return bool(min(range_) <= min(value) and max(value) <= max(range_))
