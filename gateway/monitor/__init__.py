"""The live view of a running gateway in a terminal: what it measured, decided and missed, from its own journal.

It only looks: it asks the core for its status and reads signed records, and orders nothing.
"""
