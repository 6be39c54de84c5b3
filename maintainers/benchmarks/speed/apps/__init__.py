"""Apps that are measured: what Azure Functions needs at the least, and the same with a signed-in user."""
