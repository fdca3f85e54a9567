"""Programs that a benchmark measures against: a room as aiortc alone would send it."""
