"""`phoenix sim`: a desk on virtual time, storms and directed stories of all that goes wrong, and their judges."""
