"""The one place of the command line that names concrete adapters."""
