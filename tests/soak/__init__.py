"""Long runs that the test command leaves out. Each is a command of its own: `python -m tests.soak.kills --help`."""
