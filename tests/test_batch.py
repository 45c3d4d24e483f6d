"""One item of many: an error names it, and the loop around it goes on."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from sepvae.batch import is_out_of_memory, one_of_many
from sepvae.errors import InputError, OutOfMemory, OutputError

HUGE = 1 << 50


def asked_of_numpy() -> None:
    np.zeros(HUGE)


def asked_of_torch() -> None:
    torch.zeros(HUGE, dtype=torch.float64)


@pytest.mark.parametrize("ask", [asked_of_numpy, asked_of_torch])
def test_memory_that_is_not_given_is_told_as_such(ask: object) -> None:
    with pytest.raises(OutOfMemory, match=r"^a\.wav: needs more memory than there is: cut it"), one_of_many("a.wav"):
        ask()  # type: ignore[operator]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("[enforce fail at ..\\c10\\core\\impl\\alloc_cpu.cpp:80] DefaultCPUAllocator: not enough memory"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("MPS backend out of memory (MPS allocated: 18.00 GB)"),
    ],
)
def test_what_libraries_say_of_memory(error: Exception) -> None:
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("size mismatch")) and not is_out_of_memory(ValueError("out of memory"))


def test_other_errors_are_named_with_their_kind_and_ours_pass() -> None:
    message = r"^a\.wav: cannot be worked on \(ZeroDivisionError: by 0\): leave it out$"
    with pytest.raises(InputError, match=message), one_of_many("a.wav"):
        raise ZeroDivisionError("by 0")
    ours = OutputError("b.wav: the disk is full")
    with pytest.raises(OutputError) as caught, one_of_many("a.wav"):
        raise ours
    assert caught.value is ours
    with pytest.raises(KeyboardInterrupt), one_of_many("a.wav"):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    "error", [AssertionError, AttributeError, NameError, UnboundLocalError, TypeError, KeyError, IndexError]
)
def test_a_fault_of_ours_is_not_laid_on_the_item(error: type[Exception]) -> None:
    message = rf"^a\.wav: a fault of sepvae, not of yours \({error.__name__}: 'x'\): report it, please, with what -v"
    with pytest.raises(InputError, match=message) as caught, one_of_many("a.wav"):
        raise error("x" if error is KeyError else "'x'")
    assert "leave it out" not in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="a limit of memory for a process is Linux's")
def test_the_memory_of_a_bad_item_is_given_back_for_the_next() -> None:
    """Under a limit that holds one large array, each of several items gets it, and too large a one in between fails."""
    code = """
import resource, numpy as np
from sepvae.batch import one_of_many
from sepvae.errors import OutOfMemory
now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + (400 << 20),) * 2)
for number in range(6):
    try:
        with one_of_many(str(number)):
            first = np.ones(200 << 20, np.uint8)
            second = np.ones((300 << 20) if number % 2 else 1, np.uint8)
            print(number, "done")
    except OutOfMemory as error:
        print(error)
    first = second = None
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [line.split()[0].strip(":") for line in lines] == [*"012345"]
    assert all(("done" in line) == (number % 2 == 0) for number, line in enumerate(lines))
