"""From frames to viewers: clock, mixer, encoders, fan-out, WebRTC."""
