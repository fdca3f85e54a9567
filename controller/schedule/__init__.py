"""The timetable: calendars of schools, read and turned into lessons of rooms."""
