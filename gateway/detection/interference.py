"""Take out of the array what the reference channels also hear. The references never see the load.

Coefficients are learnt from bins that show no line, so that a line cannot be taken for interference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Spectra = NDArray[np.complex128]      # [channel, group, bin], unitary FFT, FFT order
    Bins = NDArray[np.bool_]              # [bin]

# Mean over 8 groups of up to 6 channels' power: above this the bin may hold a line, and teaches nothing.
LINE_EXCESS: Final = 1.8
# With fewer quiet bins than this, regression would fit noise: 2 coefficients from 8 groups of each bin.
QUIET_BINS_MIN: Final = 16


def cancel(array: Spectra, references: Spectra, quiet: Bins) -> Spectra:
    """The array without what is common to it and the references, by regression over the quiet bins.

    With no reference alive, or too few quiet bins, the array is returned as it is.
    """
    if not len(references) or quiet.sum() < QUIET_BINS_MIN:
        return array
    shared = _coefficients(_flat(array[:, :, quiet]), _flat(references[:, :, quiet]))
    return array - (shared @ _flat(references)).reshape(array.shape)


def quiet_bins(array: Spectra, tones: Bins) -> Bins:
    """Bins that hold neither a station nor, by their power, a line."""
    power = np.mean(np.abs(array) ** 2, axis=(0, 1))
    return np.asarray(~tones & (power < LINE_EXCESS * np.median(power)))


def _flat(spectra: Spectra) -> NDArray[np.complex128]:
    """Snapshots: [channel, group * bin]."""
    return spectra.reshape(len(spectra), -1)


def _coefficients(array: NDArray[np.complex128], references: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Least-squares coefficients [array channel, reference]."""
    gram = references @ references.conj().T
    # References that hear the same and nothing else make the Gram matrix singular: a floor far below noise.
    floor = np.eye(len(references)) * np.trace(gram).real * 1e-12
    return np.asarray(np.linalg.solve((gram + floor).T, (array @ references.conj().T).T).T)
