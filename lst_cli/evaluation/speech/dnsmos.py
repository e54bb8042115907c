"""How good a clip sounds, as DNSMOS guesses that listeners would say (Reddy et al. 2022, ITU-T P.835), from 1 to 5.

The weights are Microsoft's, as the PyPI package ``speechmos`` brings them; they run in ONNX Runtime. That package's own
code is not used: it needs librosa, for a fourth score only. Legend: T samples at 16 kHz.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lst_cli.errors import UserError
from lst_cli.units.frames import SAMPLE_RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

DNSMOS_VERSION = 1
"""Incremented when the same weights would give other scores."""

SCALES = ("signal", "background", "overall")
"""The scores of P.835: the speech, the background, and both; in the order of the network's outputs."""

_WEIGHTS = "dnsmos_models/sig_bak_ovr.onnx"
_WINDOW = int(9.01 * SAMPLE_RATE)
_CALIBRATION = {
    "signal": (-0.08397278, 1.22083953, 0.0052439),
    "background": (-0.13166888, 1.60915514, -0.39604546),
    "overall": (-0.06766283, 1.11546468, 0.04602535),
}
"""From the network's outputs to opinions: polynomials, the highest power first."""

_INSTALL = "pip install 'lst-cli[evaluator]'"


@dataclass(frozen=True, kw_only=True)
class DnsmosFiles:
    """Weights on disk."""

    path: Path
    sha256: str

    @property
    def config(self) -> Mapping[str, Any]:
        """Identifies it in a result."""
        return {"sha256": self.sha256, "version": DNSMOS_VERSION}


def find_dnsmos() -> DnsmosFiles:
    """The packaged weights.

    :raises UserError: speechmos or ONNX Runtime is not installed.
    """
    from importlib.util import find_spec

    for package in ("speechmos", "onnxruntime"):
        if find_spec(package) is None:
            raise UserError(f"--dnsmos needs {package}", found="it is not installed", fix=_INSTALL)
    import speechmos

    path = Path(speechmos.__file__).parent / _WEIGHTS
    if not path.is_file():
        raise UserError("--dnsmos: speechmos has no weights", found=f"no {path}", fix="install speechmos 0.0.1.1")
    return DnsmosFiles(path=path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


class Dnsmos:
    """Guesses opinions of one clip at a time."""

    def __init__(self, files: DnsmosFiles) -> None:
        import onnxruntime

        from lst_cli.units.input.pipeline import cpu_count

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cpu_count()
        self._session = onnxruntime.InferenceSession(str(files.path), options, providers=["CPUExecutionProvider"])

    def score(self, wave_T: NDArray[np.float32]) -> dict[str, float] | None:
        """Each scale of a clip: the mean over windows of 9.01 s, one each second; None for an empty clip.

        As in Microsoft's own code, a shorter clip is repeated until it fills a window, and a window begins with each
        whole second that ten seconds follow.
        """
        if not len(wave_T):
            return None
        input_T = np.clip(wave_T, -1.0, 1.0).astype(np.float32)
        while len(input_T) < _WINDOW:
            input_T = np.concatenate([input_T, input_T])
        starts = [second * SAMPLE_RATE for second in range(max(1, len(input_T) // SAMPLE_RATE - 9))]
        outputs = [self._session.run(None, {"input_1": input_T[None, at : at + _WINDOW]})[0][0] for at in starts]
        return {
            scale: float(np.mean([np.polyval(_CALIBRATION[scale], output[index]) for output in outputs]))
            for index, scale in enumerate(SCALES)
        }
