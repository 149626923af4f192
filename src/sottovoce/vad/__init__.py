"""Voice activity detection: the detector, and the gate that refuses recordings without speech."""
