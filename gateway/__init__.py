"""The gateway: acquisition, detection, evidence and publication. Start reading at pipeline.py."""
