"""Programs that a benchmark measures against: pupils that do not decode, and a room as aiortc alone would send it."""
