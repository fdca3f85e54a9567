"""What browsers get. A package only so that the wheel carries the files."""
