"""Commands: a file is a command, its name the word. Each defines `add(app)`, which registers its function."""
