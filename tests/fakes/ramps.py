"""The shape of the clips that the tests of batches and features share."""

from sottovoce.models.card import WindowPolicy

RATE = 16_000
WINDOW = WindowPolicy(trim="speech", margin=0.1, grid=0.1, min=0.5, max=1.0)
DURATIONS = (0.3, 1.5, 1.5, 2.6, 1.2)
