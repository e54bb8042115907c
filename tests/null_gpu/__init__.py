"""A GPU that computes nothing, for the code that runs on the host before a kernel does."""
