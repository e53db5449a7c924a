"""The drift watch: what the NQR head used to be like, how far it has gone from there, and what follows from it."""
