"""The story that `make demo` tells: a client of 40 people, all four actions, on the running stack."""
