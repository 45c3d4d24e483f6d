"""Which way phones and voices lie in the latents: the cosines between their directions, and the nuisance spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sepvae import audio
from sepvae.augmentation.augmenter import Augmenter
from sepvae.files import write_json
from sepvae.processes import one_thread
from sepvae.recipe.augmentation.stages import FoldRun
from sepvae.recognition.phones import NO_PHONE, PHONES
from sepvae.recognition.speech import SpeechFrontend

Vectors = NDArray[np.floating[Any]]

# A mean of fewer segments says more about their neighbours than about the phone.
_FEWEST = 5
_TINY = 1e-12


def directions(vectors: Vectors, labels: Sequence[str]) -> tuple[list[str], Vectors]:
    """Return the labels that are frequent enough, and the direction (labels, latent) of each, of length 1.

    A direction is the mean of the vectors (n, latent) of a label, less the mean of these means.
    """
    own = np.array(labels)
    names = [name for name in sorted(set(labels)) if (own == name).sum() >= _FEWEST]
    if not names:
        return [], np.zeros((0, vectors.shape[1]))
    means = np.stack([vectors[own == name].mean(0, dtype=np.float64) for name in names])
    centred = means - means.mean(0)
    lengths = np.linalg.norm(centred, axis=1, keepdims=True)
    return names, centred / np.maximum(lengths, _TINY)


def describe_space(run: FoldRun) -> None:
    """Write how far utterances differ along each direction of the nuisance space, and |cos| of phones and voices.

    Source: Hsu, Zhang & Glass 2017 (Interspeech): phones and speakers lie in orthogonal subspaces.
    """
    augmenter, frontend = Augmenter.load(run.folder.model), SpeechFrontend(run.recipe.speech)
    coder, latents = augmenter.coder, list[Vectors]()
    phones, speakers = list[str](), list[str]()
    with one_thread():
        for one in run.fold.train:
            wave = audio.read_mono(run.root / one.path, coder.sample_rate)
            code = coder.encode(wave, coder.sample_rate)
            labels = frontend.labelled(frontend.features(wave), one.phones).labels.numpy()
            # The same rate, but perhaps another hop: a place is a share of the utterance.
            centres = (code.starts.numpy() + coder.segment_frames / 2) / len(code.spectrum)
            found = labels[np.minimum((centres * len(labels)).astype(int), len(labels) - 1)]
            known = found != NO_PHONE
            latents.append(code.latents[:, 0, coder.model.nuisance].cpu().numpy()[known])
            phones += [PHONES[number] for number in found[known]]
            speakers += [one.speaker] * int(known.sum())
    vectors = np.concatenate(latents)
    (phone_names, of_phones), (speaker_names, of_speakers) = directions(vectors, phones), directions(vectors, speakers)
    between = {
        "phones_and_voices": _mean_cosine(of_phones, of_speakers, same=False),
        "phones": _mean_cosine(of_phones, of_phones, same=True),
        "voices": _mean_cosine(of_speakers, of_speakers, same=True),
    }
    variances = augmenter.basis.std**2
    write_json(
        run.folder.space,
        {
            "shares": [float(share) for share in variances / max(float(variances.sum()), _TINY)],
            "phones": phone_names,
            "speakers": speaker_names,
            "cosines": np.abs(of_phones @ of_speakers.T).round(4).tolist(),
            "mean_cosines": between,
        },
    )


def _mean_cosine(one: Vectors, two: Vectors, *, same: bool) -> float:
    """Return the mean |cos| of directions (n, latent) and (m, latent); of one set, without each with itself."""
    cosines = np.abs(one @ two.T)
    if same:
        cosines = cosines[~np.eye(len(one), dtype=bool)]
    return round(float(cosines.mean()), 4) if cosines.size else 0.0
