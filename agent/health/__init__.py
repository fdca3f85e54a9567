"""What is wrong in a room, told from its pictures, its sound and its host: pure functions of what was seen and when."""
