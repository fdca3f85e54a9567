"""Numbers, each beside an alternative in the same run. Never part of the tests."""
