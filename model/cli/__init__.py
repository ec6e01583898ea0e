"""The commands of `python -m model`, each in a module of its own."""
