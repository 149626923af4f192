"""Voice activity detection: the detector, and the gate that says when there is nothing to judge."""
