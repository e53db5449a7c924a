"""What makes a reading provable: record, signature, journal, tree, checkpoint, verification."""
