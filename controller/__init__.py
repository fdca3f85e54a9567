"""The centre: fleet, signalling, join links, pages for pupils and IT."""
