"""The units a certificate may convert between, and the factor to SI. A unit that is not here is refused."""

from __future__ import annotations

# Magnetic flux density, in tesla.
TESLA_PER = {"T": 1.0, "mT": 1e-3, "uT": 1e-6, "nT": 1e-9, "pT": 1e-12, "fT": 1e-15}
