"""One utterance of espeak-ng, spoken in a process of its own: `espeak.py` runs this file by its path.

espeak-ng keeps the position of its pitch flutter, its roughness and its echo from one utterance to the next, and
nothing in its interface resets them: only a fresh process gives the same bytes whatever was spoken before. It also
changes the locale of its process. The standard library alone is imported, so that a process costs milliseconds.
"""

from __future__ import annotations

import ctypes
import json
import signal
import sys
from typing import Any

# From espeak-ng's speak_lib.h.
_SYNCHRONOUS = 2
_PHONEME_EVENTS = 0x0001
_DO_NOT_EXIT = 0x8000
_UTF8 = 1
_AT_CHARACTER = 1
_PARAMETERS = {"rate": 1, "volume": 2, "pitch": 3, "pitch_range": 4}
_EVENTS = {1: "word", 7: "phone"}

_PR_SET_PDEATHSIG = 1  # of Linux's prctl

# Exit codes.
DOES_NOT_LOAD = 2
REFUSED = 3


class _Identity(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_void_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Identity),
    )


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


def speak(job: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Speak `job` and return what happened when, and the samples as 16-bit PCM in the machine's byte order.

    Args:
        job: `library` and `data` (paths), `voice`, `text`, `rate`, `volume`, `pitch`, `pitch_range`, `seed`.

    Raises:
        OSError, AttributeError: the library does not load, or is too old to have its random seed set.
        ValueError: espeak-ng refuses the voice or the text.
    """
    library = ctypes.CDLL(job["library"])
    library.espeak_SetSynthCallback.argtypes = [_CALLBACK]
    library.espeak_Synth.argtypes = [
        *(ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint, ctypes.c_uint),
        *(ctypes.c_void_p, ctypes.c_void_p),
    ]
    library.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
    sample_rate = library.espeak_Initialize(_SYNCHRONOUS, 0, job["data"].encode(), _PHONEME_EVENTS | _DO_NOT_EXIT)
    if sample_rate <= 0:
        raise ValueError(f"espeak-ng cannot use its data in {job['data']}")
    samples = bytearray()
    events: list[tuple[str, int, int, str]] = []

    def collect(wave: Any, n_samples: int, event: Any) -> int:
        if wave and n_samples:
            samples.extend(ctypes.string_at(wave, 2 * n_samples))
        index = 0
        while event[index].type:
            kind = _EVENTS.get(event[index].type)
            if kind:
                name = event[index].id.string.decode("utf-8", "replace") if kind == "phone" else ""
                events.append((kind, event[index].sample, event[index].text_position, name))
            index += 1
        return 0

    callback = _CALLBACK(collect)  # kept in a name while espeak-ng may call it
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(job["voice"].encode()):
        raise ValueError(f"espeak-ng has no voice {job['voice']!r}")
    for name, number in _PARAMETERS.items():
        library.espeak_SetParameter(number, job[name], 0)
    library.espeak_ng_SetRandSeed(job["seed"])
    text = job["text"].encode()
    if library.espeak_Synth(text, len(text) + 1, 0, _AT_CHARACTER, 0, _UTF8, None, None):
        raise ValueError(f"espeak-ng cannot speak {job['text']!r}")
    library.espeak_Terminate()
    return {"sample_rate": sample_rate, "events": events}, bytes(samples)


def _end_with_parent() -> None:
    """Let Linux kill this process with the thread that waits for it: nobody else would read what it writes."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> int:
    """Read a job as JSON from stdin; write the events as one line of JSON and then the samples to stdout."""
    _end_with_parent()
    try:
        facts, samples = speak(json.load(sys.stdin))
    except (OSError, AttributeError) as error:
        sys.stderr.write(str(error))
        return DOES_NOT_LOAD
    except ValueError as error:
        sys.stderr.write(str(error))
        return REFUSED
    sys.stdout.buffer.write(json.dumps(facts).encode() + b"\n" + samples)
    return 0


if __name__ == "__main__":
    sys.exit(main())
