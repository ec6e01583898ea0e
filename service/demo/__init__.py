"""What `make demo` runs: sample images, and a tour of the running service with them."""
