"""The one place where a TFLite runtime is imported: ai-edge-litert where installed, else tflite-runtime 2.14.

Every other file takes the interpreter from here; both runtimes give the same class and the same decisions.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

try:
    from ai_edge_litert.interpreter import Interpreter

    _PACKAGE = "ai-edge-litert"
except ImportError:
    # tflite-runtime 2.14.0 is the last release; its metadata allows numpy 2, but it only works with numpy<2.
    from tflite_runtime.interpreter import Interpreter

    _PACKAGE = "tflite-runtime"

RUNTIME = f"{_PACKAGE} {version(_PACKAGE)}"


class TfliteNetwork:
    """The interpreter with its tensors allocated, int8 or float32 throughout.

    Raises what the runtime raises on malformed bytes (ValueError, RuntimeError) or kills the process: try the
    bytes in a child first (`gateway.detection.model.load`).
    """

    def __init__(self, content: bytes) -> None:
        # One thread: the daemon has a core to spare for detection, not two.
        self._interpreter = Interpreter(model_content=content, num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The input's shape without the batch axis."""
        return tuple(int(n) for n in self._input["shape"][1:])

    def score(self, portrait: NDArray[np.float32]) -> NDArray[np.float32]:
        """One forward pass, quantised on the way in and out where the model is int8."""
        self._interpreter.set_tensor(self._input["index"], _quantised(portrait[None], self._input))
        self._interpreter.invoke()
        return _dequantised(self._interpreter.get_tensor(self._output["index"])[0], self._output)


def _quantised(values: NDArray[np.float32], detail: dict[str, tuple[float, int]]) -> NDArray[np.generic]:
    scale, zero = detail["quantization"]
    if not scale:
        return values
    return np.asarray((values / scale + zero).round().clip(-128, 127).astype(np.int8))


def _dequantised(values: NDArray[np.generic], detail: dict[str, tuple[float, int]]) -> NDArray[np.float32]:
    scale, zero = detail["quantization"]
    plain = values.astype(np.float32)
    return np.asarray((plain - zero) * scale if scale else plain, np.float32)
