"""Writes the network of a model as an ONNX graph, which is checked against the model before it is written.

Large weights are stored as the model stores them: in the file itself, or, of a model folder, where they lie in its file
of weights, so that they are there once.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from sepvae.errors import ConfigError, MissingExtra
from sepvae.estimator.checkpoint import Checkpoint
from sepvae.estimator.config import DIRECT
from sepvae.estimator.folder_names import SCALE, WEIGHTS
from sepvae.estimator.separating import SpectralEstimator, WaveEstimator
from sepvae.estimator.weights import pack, unpack
from sepvae.files import hash_file, to_json, write_bytes
from sepvae.models.contract import most_likely
from sepvae.models.mask_vae import Cepstrum
from sepvae.portable.facts import KEY, NETWORK, PortableFacts

_OPSET = 18
# What has fewer numbers stays as the exporter stores it.
_LARGE = 64
# How far a graph may be from its network, in the largest value that this gives.
_TOLERANCE = 1e-4
# Lengths that a graph is checked at, in frames: others than that it was traced with.
_TRACED_FRAMES, _CHECKED_FRAMES = 50, (1, 131)


class _Spectral(nn.Module):
    """Normalised spectra (batch, frames, bins, 2) to the magnitudes of the sources (sources, batch, frames, bins)."""

    def __init__(self, estimator: SpectralEstimator) -> None:
        super().__init__()
        # Among the modules under the name that its weights are stored by.
        self.networks, self._infer, self._target = estimator.networks, estimator.infer, estimator.frontend.target

    def forward(self, parts: Tensor) -> Tensor:
        found = self._infer(torch.view_as_complex(parts), most_likely)
        return torch.stack([self._target.magnitude(one.decoded.spectrum) for one in found.values()])


class _Waves(nn.Module):
    """Normalised waves (batch, time) to those of the sources (sources, batch, time)."""

    def __init__(self, estimator: WaveEstimator) -> None:
        super().__init__()
        self.networks, self._network = estimator.networks, estimator.network

    def forward(self, waves: Tensor) -> Tensor:
        found: Tensor = self._network(waves)
        return found


def portable_facts(checkpoint: Checkpoint) -> PortableFacts:
    """Return how the graph of a model is used.

    Raises:
        ConfigError: it cannot be used without torch.
    """
    config, estimator = checkpoint.config, checkpoint.estimator
    reason = ""
    if not isinstance(estimator, SpectralEstimator | WaveEstimator):
        reason = "it takes no mixtures of one microphone apart"
    elif isinstance(estimator, SpectralEstimator) and len(config.sources) < 2:
        reason = f"it is of {config.sources[0]} alone; what else there is it would have to learn from each file"
    elif config.estimator.inference is not None:
        reason = "it is fitted to each mixture, which takes gradients"
    elif isinstance(estimator, SpectralEstimator) and config.estimator.mask == DIRECT:
        reason = "it gives spectra, and no shares of the mixture"
    elif isinstance(estimator, SpectralEstimator) and config.estimator.mask not in ("ratio", "wiener"):
        reason = f"its mask {config.estimator.mask} is none of sepvae's own"
    elif config.estimator.frontend.levels != "gated":
        reason = "it takes its level as older models did: train it anew"
    if reason or not isinstance(estimator, SpectralEstimator | WaveEstimator):
        raise ConfigError(f"a model {config.estimator.model.kind} of this kind runs with torch alone: {reason}")
    stft = estimator.frontend.stft
    spectral = isinstance(estimator, SpectralEstimator)
    return PortableFacts(
        domain="spectra" if spectral else "waves",
        sources=config.sources,
        alike=config.alike,
        sample_rate=stft.sample_rate,
        window=stft.config.window,
        window_samples=stft.window_samples,
        hop_samples=stft.hop_samples,
        hop_ms=stft.config.hop_ms,
        normalisation=config.estimator.frontend.normalisation,
        mask="wiener" if config.estimator.mask == "wiener" else "ratio",
        context_samples=estimator.context_samples,
        name=config.name,
        version=config.version,
    )


def export_file(path: Path, checkpoint: Checkpoint) -> None:
    """Write a model as one ONNX file, with the weights in it as its config says they are stored.

    Raises:
        ConfigError: the model cannot be exported, or its graph does not give what the model gives.
        MissingExtra: the packages that write graphs are not installed.
        OutputError: the file cannot be written.
    """
    model, facts, parameters = _traced(checkpoint)
    _store(model, parameters, checkpoint.estimator, _stored_in)
    write_bytes(path, _checked(model, facts, checkpoint, folder=None))


def export_beside(folder: Path, checkpoint: Checkpoint) -> Mapping[str, str]:
    """Write the graph of a model into its folder, whose weights it refers to, and return facts for the provenance.

    Raises:
        ConfigError: as `export_file`.
        MissingExtra: as `export_file`.
        OutputError: the file cannot be written.
    """
    model, facts, parameters = _traced(checkpoint)
    _store(model, parameters, checkpoint.estimator, _Beside(folder / WEIGHTS))
    write_bytes(folder / NETWORK, _checked(model, facts, checkpoint, folder=folder))
    return {"network_sha256": hash_file(folder / NETWORK)}


def _as_stored(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """Let a model have its weights as they are when they have been stored, and return them as they are stored."""
    state = checkpoint.estimator.networks.state_dict()
    packed = pack(state, checkpoint.config.weights)
    checkpoint.estimator.networks.load_state_dict(unpack(packed, state), strict=True)
    return packed


def _traced(checkpoint: Checkpoint) -> tuple[Any, PortableFacts, dict[str, Tensor]]:
    """Return the graph of a model, as `onnx.ModelProto`, how it is used, and the model's weights as they are stored."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtra("writing an ONNX file", "export", error) from error
    facts, packed = portable_facts(checkpoint), _as_stored(checkpoint)
    module, example = _module(checkpoint), _example(facts, batch=2, frames=_TRACED_FRAMES)
    axes = {0: torch.export.Dim("channels"), 1: torch.export.Dim("frames" if facts.domain == "spectra" else "time")}
    settings: dict[str, Any] = {"input_names": ["mixture"], "output_names": ["sources"], "opset_version": _OPSET}
    try:
        with _quiet():
            program = torch.onnx.export(
                module, (example,), dynamo=True, dynamic_shapes=(axes,), verbose=False, **settings
            )
    # The exporter raises classes of its own, by the step that fails.
    except torch.onnx.errors.OnnxExporterError as error:
        first = str(error).partition("\n")[0]
        raise ConfigError(
            f"{checkpoint.config.estimator.model.kind}: torch makes no ONNX graph of it: {first}"
        ) from error
    return cast("Any", program).model_proto, facts, packed


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep to itself what the exporter says of its own insides."""
    loggers = [logging.getLogger(name) for name in ("torch", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _module(checkpoint: Checkpoint) -> nn.Module:
    estimator = checkpoint.estimator.cpu().eval()
    if isinstance(estimator, WaveEstimator):
        return _Waves(estimator).eval()
    return _Spectral(cast("SpectralEstimator", estimator)).eval()


def _example(facts: PortableFacts, *, batch: int, frames: int) -> Tensor:
    random = torch.Generator().manual_seed(frames)
    if facts.domain == "waves":
        return torch.randn(batch, frames * facts.hop_samples, generator=random)
    return torch.randn(batch, frames, facts.n_bins, 2, generator=random)


def _checked(model: Any, facts: PortableFacts, checkpoint: Checkpoint, *, folder: Path | None) -> bytes:
    """Return the bytes of a graph that gives what the model gives, at lengths that it was not traced with."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra("checking an ONNX file", "onnx", error) from error
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, to_json(json.loads(facts.model_dump_json()))
    stored: bytes = model.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if folder is not None:
        # Where the weights are, for a graph that lies in no file yet.
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    session = onnxruntime.InferenceSession(stored, options, providers=["CPUExecutionProvider"])
    module = _module(checkpoint)
    for frames in _CHECKED_FRAMES:
        given = _example(facts, batch=1, frames=frames)
        with torch.no_grad():
            expected = module(given).numpy()
        (found,) = session.run(None, {session.get_inputs()[0].name: given.numpy()})
        apart = float(np.abs(found - expected).max() / max(float(np.abs(expected).max()), 1e-9))
        if not apart <= _TOLERANCE:
            raise ConfigError(
                f"{checkpoint.config.estimator.model.kind}: its ONNX graph is {apart:.2g} from what torch gives, more "
                f"than {_TOLERANCE:g}: report this, with the versions of torch and onnxruntime"
            )
    return stored


def _matches(model: Any, packed: Mapping[str, Tensor]) -> dict[str, tuple[str, bool]]:
    """Return, for the weights of a graph, the names that the model has for them, and whether they lie on their side."""
    from onnx import numpy_helper

    whole = {name: torch.empty(tensor.shape) for name, tensor in packed.items() if not name.endswith(SCALE)}
    known = {name: value.numpy() for name, value in unpack(packed, whole).items()}
    found = dict[str, tuple[str, bool]]()
    for one in model.graph.initializer:
        if np.prod(one.dims) < _LARGE:
            continue
        values = numpy_helper.to_array(one)
        for name, value in known.items():
            if value.shape == values.shape and np.array_equal(value, values):
                found[one.name] = name, False
            elif value.ndim == 2 and value.T.shape == values.shape and np.array_equal(value.T, values):
                found[one.name] = name, True
    return found


def _stored_in(tensors: Mapping[str, Tensor], name: str, dims: Sequence[int], label: str) -> Any:
    """Return a stored tensor as a part of a graph."""
    from onnx import numpy_helper

    return numpy_helper.from_array(tensors[name].reshape(*dims).numpy(), label)


class _Beside:
    """Tensors of a file of weights, where they lie in it."""

    def __init__(self, weights: Path) -> None:
        with weights.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            self._header, self._start, self._file = json.loads(file.read(size)), 8 + size, weights.name

    def __call__(self, _: Mapping[str, Tensor], name: str, dims: Sequence[int], label: str) -> Any:
        """Return a stored tensor as a part of a graph that names its place."""
        from onnx import TensorProto

        kinds = {"I8": TensorProto.INT8, "F16": TensorProto.FLOAT16, "F32": TensorProto.FLOAT}
        about = self._header[name]
        first, last = about["data_offsets"]
        stored = TensorProto(name=label, dims=dims, data_type=kinds[about["dtype"]])
        stored.data_location = TensorProto.EXTERNAL
        places = {"location": self._file, "offset": self._start + first, "length": last - first}
        for key, value in places.items():
            entry = stored.external_data.add()
            entry.key, entry.value = key, str(value)
        return stored


class _Replaced:
    """Initialisers of a graph, and nodes that make others of them, in the place of those that are taken away.

    onnxruntime computes what depends on nothing but initialisers once, when it loads a graph.
    """

    def __init__(self, model: Any) -> None:
        self._graph, self._taken = model.graph, set[str]()
        self._initialisers, self._nodes = list[Any](), list[Any]()

    def chain(self, name: str, start: Any, steps: Sequence[tuple[str, Any, dict[str, Any]]]) -> None:
        """Make the initialiser `name` of another one by operators, each with a second input or None, and settings."""
        from onnx import helper

        self._taken.add(name)
        self._initialisers.append(start)
        before = start.name
        for number, (kind, other, settings) in enumerate(steps):
            output = name if number == len(steps) - 1 else f"{name} {number}"
            inputs = [before]
            if other is not None:
                self._initialisers.append(other)
                inputs.append(other.name)
            self._nodes.append(helper.make_node(kind, inputs, [output], **settings))
            before = output

    def done(self) -> None:
        """Change the graph."""
        kept = [one for one in self._graph.initializer if one.name not in self._taken]
        rest = list(self._graph.node)
        del self._graph.initializer[:], self._graph.node[:]
        self._graph.initializer.extend([*kept, *self._initialisers])
        self._graph.node.extend([*self._nodes, *rest])


def _store(model: Any, packed: Mapping[str, Tensor], modules: nn.Module, stored: Callable[..., Any]) -> None:
    """Store the weights of a graph in the form of the model, by `_stored_in` or `_Beside`; and no tables of cosines."""
    from onnx import TensorProto

    replaced = _Replaced(model)
    for name, (weight, turned) in _matches(model, packed).items():
        shape, scale = tuple(packed[weight].shape), f"{weight}{SCALE}"
        steps: list[tuple[str, Any, dict[str, Any]]] = [("Cast", None, {"to": TensorProto.FLOAT})]
        if scale in packed:
            columns = (shape[0], *[1] * (len(shape) - 1))
            steps.append(("Mul", stored(packed, scale, columns, f"{name} scale"), {}))
        if turned:
            steps.append(("Transpose", None, {"perm": [1, 0]}))
        replaced.chain(name, stored(packed, weight, shape, f"{name} stored"), steps)
    _compute_cosines(model, modules, replaced)
    replaced.done()
    # What the exporter says of where each node comes from, with paths of this machine.
    for part in (model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output):
        del part.metadata_props[:]
    del model.graph.value_info[:]


def _compute_cosines(model: Any, modules: nn.Module, replaced: _Replaced) -> None:
    """Put the rule of a table of cosines into its place: half a megabyte, in a file of five."""
    from onnx import TensorProto, numpy_helper

    tables = [one for one in modules.modules() if isinstance(one, Cepstrum) and one.cosines.numel() >= _LARGE]
    for one in model.graph.initializer:
        values = numpy_helper.to_array(one)
        for table in tables:
            if values.shape != tuple(table.cosines.shape) or not np.array_equal(values, table.cosines.numpy()):
                continue
            period = 2 * (table.n_bins - 1)
            weights = np.full((table.n_bins, 1), 2 / np.sqrt(period), np.float32)
            weights[[0, -1]] /= 2
            given = {
                "bins": np.arange(table.n_bins)[:, None],
                "quefrencies": np.arange(table.start, table.start + table.count)[None],
                "period": np.array(period),
                "turn": np.array(2 * np.pi / period, np.float32),
                "weights": weights,
            }
            made = {key: numpy_helper.from_array(value, f"{one.name} {key}") for key, value in given.items()}
            # Whole turns are taken away while numbers are whole: of large angles single precision loses the cosine.
            replaced.chain(
                one.name,
                made["bins"],
                [
                    ("Mul", made["quefrencies"], {}),
                    ("Mod", made["period"], {}),
                    ("Cast", None, {"to": TensorProto.FLOAT}),
                    ("Mul", made["turn"], {}),
                    ("Cos", None, {}),
                    ("Mul", made["weights"], {}),
                ],
            )
