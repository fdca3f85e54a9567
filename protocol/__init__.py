"""What a room and the centre agree on: topics, messages, the lesson's table, errors.

Pure: pydantic and the standard library, no input or output.
"""
