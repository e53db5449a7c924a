"""What holds for every test."""

import os

# As the command does, gateway/cli/main.py: small matrices are slower with a thread for each core, far slower with three
# test processes on two cores. Before numpy is loaded, or without effect.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
