"""What each failure of each service comes to, provoked on purpose over real sockets. matrix.py is the one to read."""
