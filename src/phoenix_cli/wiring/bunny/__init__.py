"""The chaos vectors as a library: the command runs the very ones that the tests run."""
