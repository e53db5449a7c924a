"""The demonstration: an emulated bay, a broker, the gateway's two processes, and a stranger who checks everything."""
