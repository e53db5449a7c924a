"""The gateway: acquisition, detection, evidence and publication. Start reading at pipeline.py."""

__version__ = "0.1.0"
