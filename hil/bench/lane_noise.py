"""The noises that the lane's measurements use. Two figures each, both assumptions."""

from typing import Final

# White floor in nT/sqrt(Hz) and 1/f part at 1 Hz: the scene's own sensor, alone and with the lane's wander.
NOISES: Final = {"white": (0.005, 0.0), "1/f": (0.005, 0.02)}
