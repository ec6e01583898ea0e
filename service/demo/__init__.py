"""What `make demo` runs: sample photographs, and a tour of the running service with them."""
