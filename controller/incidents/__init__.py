"""What goes wrong, made into incidents that people are told of: one cause, one incident."""
