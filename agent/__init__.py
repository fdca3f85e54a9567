"""The room: drives camera, microphone and board, and streams the lesson. Light to import: capture processes do."""
