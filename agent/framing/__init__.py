"""Auto-framing: where people stand in the camera's picture, and how the shown part of it follows them."""
