"""A bundle's graphs once more in lower precision, each measured before it is kept."""
