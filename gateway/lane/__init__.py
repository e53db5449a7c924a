"""From the field of a lane to an anomaly: whitening, the dipole's likelihood ratio, its place and moment, a label."""
