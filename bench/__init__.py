"""What is measured, side by side with what one would pick instead: `python -m bench`."""
